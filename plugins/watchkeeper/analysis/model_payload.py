"""What a model is asked and what it answers: CSV, JSON by Clarify's templates, and JSON Lines."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import msgspec
import polars as pl

from watchkeeper.analysis.attribute_path import AttributePath, cell_text
from watchkeeper.analysis.capture_records import PayloadError
from watchkeeper.analysis.csv_payload import parse_csv
from watchkeeper.analysis.json_payload import json_documents
from watchkeeper.errors import DatasetError, ModelAnswerError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
_TYPES = (CSV, JSON, JSON_LINES)
_PLACEHOLDER = re.compile(r"\$(features_kvp|features|records|record)\b")
_FEATURES = frozenset({"features", "features_kvp"})
_ANSWER = "the model's answer"

_encode = msgspec.json.Encoder().encode

Row = list[Any]


@dataclass(frozen=True)
class RequestFormat:
    """How a model is asked and how it answers; the words are those of Clarify's ``predictor``.

    JSON needs ``content_template``, with ``$records`` for all rows of a request or ``$record`` for its only one, and
    ``record_template``, with ``$features`` (a list of values) or ``$features_kvp`` (an object of names and values).
    JSON Lines needs one of the two templates, with the features. ``probability`` or else ``label`` says where the
    numbers stand that are explained: a column's index in CSV (none: all columns), a path such as
    ``predictions[*].score`` in JSON. ``label_headers`` names a row's numbers where there are several.

    Raises
    ------
    ValueError
        naming all that does not fit together.
    """

    content_type: str = CSV
    accept_type: str | None = None
    content_template: str | None = None
    record_template: str | None = None
    label: str | None = None
    probability: str | None = None
    label_headers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = [*_type_problems(self), *_template_problems(self), *_path_problems(self)]
        if problems:
            raise ValueError("; ".join(problems))

    @classmethod
    def from_config(cls, predictor: Mapping[str, Any], dataset_type: str = CSV) -> Self:
        """Return the format that Clarify's ``predictor`` describes; the type of its dataset is the default of both."""
        places = {name: None if (at := predictor.get(name)) is None else str(at) for name in ("label", "probability")}
        return cls(
            content_type=predictor.get("content_type") or (dataset_type if dataset_type in _TYPES else CSV),
            accept_type=predictor.get("accept_type"),
            content_template=predictor.get("content_template"),
            record_template=predictor.get("record_template"),
            label_headers=tuple(map(str, predictor.get("label_headers") or ())),
            **places,
        )

    @property
    def accept(self) -> str:
        """The type of the answer: that of the request unless told."""
        return self.accept_type or self.content_type

    @property
    def is_single(self) -> bool:
        """Whether a request holds one row only."""
        return self.content_type == JSON and "record" in _placeholders(self.content_template)

    @cached_property
    def score_path(self) -> AttributePath | None:
        """Where the numbers stand that are explained."""
        text = self.probability or self.label
        return None if text is None else AttributePath(text)

    @cached_property
    def label_path(self) -> AttributePath | None:
        """Where predicted labels stand."""
        return None if self.label is None else AttributePath(self.label)

    @cached_property
    def record_parts(self) -> tuple[str, bool, str]:
        """The text before a row's features, whether these are pairs of names and values, and the text after."""
        template = self.record_template or self.content_template or "$features"
        before, name, after = _PLACEHOLDER.split(template)
        return before, name == "features_kvp", after


def _placeholders(template: str | None) -> list[str]:
    return _PLACEHOLDER.findall(template or "")


def _type_problems(given: RequestFormat) -> list[str]:
    return [
        f"{name} {value!r}; one of {', '.join(_TYPES)} was expected"
        for name, value in (("content_type", given.content_type), ("accept_type", given.accept_type or CSV))
        if value not in _TYPES
    ]


def _template_problems(given: RequestFormat) -> list[str]:
    wanted: dict[str, frozenset[str]] = {}
    match given.content_type, given.record_template, given.content_template:
        case "application/json", _, _:
            wanted = {"content_template": frozenset({"record", "records"}), "record_template": _FEATURES}
        case "application/jsonlines", None, _:
            wanted = {"content_template": _FEATURES}
        case "application/jsonlines", _, _:
            # With a template of its own for records, the other may only hand the record on.
            wanted = {"record_template": _FEATURES}
            if given.content_template is not None:
                wanted["content_template"] = frozenset({"record"})
    problems = []
    for name, allowed in wanted.items():
        template = getattr(given, name)
        found = _placeholders(template)
        if len(found) != 1 or found[0] not in allowed:
            choice = " or ".join(f"${placeholder}" for placeholder in sorted(allowed, key=len))
            problems.append(f"{name} needs {choice}, once, for {given.content_type}; got {template!r}")
        elif not _is_json(_PLACEHOLDER.sub("0", template)):
            problems.append(f"{name} is no JSON when filled in; got {template!r}")
    return problems


def _path_problems(given: RequestFormat) -> list[str]:
    problems = []
    for name, text in (("label", given.label), ("probability", given.probability)):
        if text is None:
            continue
        try:
            path = AttributePath(text)
        except ValueError as error:
            problems.append(f"{name}: {error}")
            continue
        if given.accept == CSV and path.position is None:
            problems.append(f"{name} {text!r} is no column's index, and CSV answers have no names")
    return problems


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def encode_batch(frame: pl.DataFrame, request_format: RequestFormat) -> bytes:
    """Return the body of a request for all rows of a frame; its columns are the features, in order.

    Integers, decimals, booleans and texts are written as what their column is; null, NaN and empty text are missing:
    an empty CSV field, or JSON's null.

    Raises
    ------
    DatasetError
        naming the columns that hold infinite numbers.
    """
    floats = [name for name, kind in frame.schema.items() if kind.is_float()]
    infinite = [name for name in floats if frame[name].is_infinite().any()]
    if infinite:
        raise DatasetError(
            "the rows for the model", f"infinite numbers in {', '.join(infinite)}", "Leave such rows out, or clip them."
        )
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    frame = frame.with_columns(pl.col(floats).fill_nan(None), pl.col(texts).replace("", None))
    if request_format.content_type == CSV:
        # A row of one missing field would be a blank line, which models skip.
        return frame.write_csv(include_header=False, null_value='""' if frame.width == 1 else "").encode()
    records = _records(frame, request_format)
    if request_format.content_type == JSON_LINES:
        return b"".join(record + b"\n" for record in records)
    before, name, after = _PLACEHOLDER.split(request_format.content_template or "")
    rows = b",".join(records)
    return before.encode() + (rows if name == "record" else b"[%s]" % rows) + after.encode()


def _records(frame: pl.DataFrame, request_format: RequestFormat) -> list[bytes]:
    before, named, after = request_format.record_parts
    head, tail = before.encode(), after.encode()
    rows = frame.iter_rows(named=True) if named else frame.iter_rows()
    return [head + _encode(row) + tail for row in rows]


def decode_answers(body: bytes, request_format: RequestFormat, expected_rows: int) -> "NDArray[Any]":
    """Return the numbers of an answer, rows × labels (float64): at ``probability``, else at ``label``.

    Raises
    ------
    ModelAnswerError
        when it cannot be read, has another number of rows or of labels, or holds anything but finite numbers; the
        message never quotes the answer.
    """
    import numpy as np

    rows = _answer_rows(body, request_format, expected_rows, request_format.score_path)
    widths = sorted({len(row) for row in rows})
    if len(widths) > 1:
        found = f"{widths[0]} to {widths[-1]} numbers a row"
        raise ModelAnswerError(_ANSWER, found, "The model has to answer equally many for each row.")
    labels = request_format.label_headers
    if labels and widths and widths[0] != len(labels):
        found = f"{widths[0]} numbers a row, where label_headers names {len(labels)}"
        raise ModelAnswerError(_ANSWER, found, "Correct label_headers, or the place (probability, label).")
    try:
        answers = np.array(rows, dtype=np.float64).reshape(expected_rows, -1)
    except (ValueError, TypeError, OverflowError):
        remedy = "Give the place of a score (probability or label): labels as text cannot be explained."
        raise ModelAnswerError(_ANSWER, "other values than numbers", remedy) from None
    unfit = int(np.count_nonzero(~np.isfinite(answers)))
    if unfit:
        found = f"{unfit} of {answers.size} numbers are NaN, infinite or missing"
        raise ModelAnswerError(_ANSWER, found, "See which rows make the model answer so.")
    return answers


def decode_labels(body: bytes, request_format: RequestFormat, expected_rows: int) -> list[str | None]:
    """Return the predicted labels of an answer as text, one a row: at ``label``, else the row's only value.

    Raises
    ------
    ModelAnswerError
        when it cannot be read, or has another number of rows, or several values a row.
    """
    rows = _answer_rows(body, request_format, expected_rows, request_format.label_path)
    if any(len(row) != 1 for row in rows):
        raise ModelAnswerError(_ANSWER, "several values a row", "Give the place of the predicted label (label).")
    try:
        return [cell_text(row[0]) for row in rows]
    except PayloadError as error:
        raise ModelAnswerError(_ANSWER, str(error), "Correct the place of the predicted label (label).") from None


def _answer_rows(
    body: bytes, request_format: RequestFormat, expected_rows: int, path: AttributePath | None
) -> list[Row]:
    try:
        text = body.decode()
        if request_format.accept == CSV:
            rows = _csv_rows(text, expected_rows, path)
        else:
            rows = _json_rows(text, path, request_format)
    except UnicodeDecodeError:
        raise ModelAnswerError(_ANSWER, "not UTF-8", f"Is it {request_format.accept}?") from None
    except PayloadError as error:
        place = "the whole answer" if path is None else path.text
        raise ModelAnswerError(
            _ANSWER, f"{error} ({request_format.accept}, {place})", "Correct accept_type, probability or label."
        ) from None
    if len(rows) != expected_rows:
        found = f"{len(rows)} rows for {expected_rows} that were sent"
        raise ModelAnswerError(_ANSWER, found, "The model has to answer each row, in order.")
    return rows


def _csv_rows(text: str, expected_rows: int, path: AttributePath | None) -> list[Row]:
    rows: list[Row] = [list(row) for row in parse_csv(text).fields]
    if len(rows) == 1 and expected_rows > 1 and len(rows[0]) == expected_rows:
        rows = [[value] for value in rows[0]]  # some containers answer all rows in one line
    return rows if path is None else [_flat(_list_in(value)) for value in _column(rows, path.position or 0)]


def _column(rows: list[Row], position: int) -> list[Any]:
    if any(len(row) <= position for row in rows):
        message = f"{min(map(len, rows))} fields, where column {position} was expected"
        raise PayloadError(message)
    return [row[position] for row in rows]


def _list_in(value: str | None) -> Any:
    """Return the list that a CSV field holds as text, as those of several probabilities do; else the field."""
    if value is None or not value.startswith("["):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value


def _json_rows(text: str, path: AttributePath | None, request_format: RequestFormat) -> list[Row]:
    documents = json_documents(text, "answer")
    if request_format.accept == JSON_LINES or request_format.is_single or len(documents) > 1:
        return [_row_in(document, path) for document in documents]
    (document,) = documents
    if path is None or path.position is not None:
        rows = [_flat(item) for item in _flat(_unnamed(document))]
        return rows if path is None else [_flat(value) for value in _column(rows, path.position or 0)]
    found = path.found_in(document)
    # Without a star the path leads to one list, that of all rows.
    is_starred = isinstance(document, list) or None in path.steps
    return [_flat(item) for item in (found if is_starred else _flat(found[0]))]


def _row_in(document: Any, path: AttributePath | None) -> Row:
    """Return the values of a document that answers one row."""
    if path is None or path.position is not None:
        row = _flat(_unnamed(document))
        return row if path is None else _flat(_column([row], path.position or 0)[0])
    row = path.found_in(document)
    while len(row) == 1 and isinstance(row[0], list):
        row = row[0]
    return row


def _unnamed(document: Any) -> Any:
    """Return a document that has no names to choose from: the value of its only one."""
    if not isinstance(document, dict):
        return document
    if len(document) != 1:
        message = f"{len(document)} keys to choose from"
        raise PayloadError(message)
    return next(iter(document.values()))


def _flat(item: Any) -> Row:
    return item if isinstance(item, list) else [item]
