"""From merged records to tables: what a challenger is trained on, and what it is compared with the champion on."""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from watchkeeper.analysis.capture_records import Payload, PayloadError, Rows, payload_text
from watchkeeper.analysis.csv_payload import parse_csv
from watchkeeper.analysis.json_payload import parse_json
from watchkeeper.analysis.own_requests import is_own
from watchkeeper.analysis.scored_rows import ScoredRows

ROW_ID, CHAMPION_PREDICTION, PREDICTION = "row_id", "champion_prediction", "prediction"
_HASH_RANGE = 2**64


class _Capture(msgspec.Struct):
    input: Payload | None = msgspec.field(default=None, name="endpointInput")
    output: Payload | None = msgspec.field(default=None, name="endpointOutput")


class _Metadata(msgspec.Struct):
    event_id: str = msgspec.field(default="", name="eventId")
    inference_id: str | None = msgspec.field(default=None, name="inferenceId")
    inference_time: str = msgspec.field(default="", name="inferenceTime")


class _Merged(msgspec.Struct):
    capture: _Capture = msgspec.field(name="captureData")
    truth: Payload | None = msgspec.field(default=None, name="groundTruthData")
    metadata: _Metadata = msgspec.field(default_factory=_Metadata, name="eventMetadata")


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_RECORDS = msgspec.json.Decoder(_Merged)


@dataclass(frozen=True)
class TableSchema:
    """What the columns are called, and where label and answer stand.

    ``input_columns`` name CSV fields in order, and choose the keys of JSON objects. ``label_column`` is the label's
    name in the tables, and its key in JSON labels unless ``label_key`` says otherwise. ``prediction`` is the champion's
    answer in the output: a name of ``output_columns``, a key, or a field's index as text; ``None`` for the only one.

    Raises
    ------
    ValueError
        when the label would have the name of an input.
    """

    input_columns: tuple[str, ...]
    label_column: str
    label_key: str | None = None
    output_columns: tuple[str, ...] | None = None
    prediction: str | None = None

    def __post_init__(self) -> None:
        taken = {ROW_ID, CHAMPION_PREDICTION, *self.input_columns}
        if self.label_column in taken:
            message = f"the label {self.label_column!r} has the name of another column; give it one of its own"
            raise ValueError(message)


@dataclass(frozen=True, order=True)
class LabelledRow:
    """One row with its label; rows sort by time, then by their id. Values are the texts that were captured."""

    time: str
    row_key: tuple[str, int]
    inputs: tuple[str | None, ...]
    label: str
    prediction: str | None = None

    @property
    def row_id(self) -> str:
        """Which row of which invocation this is."""
        return f"{self.row_key[0]}/{self.row_key[1]}"


@dataclass(frozen=True)
class LabelledRows:
    """The rows of some records, in order, and how many records could not be used, by reason."""

    rows: tuple[LabelledRow, ...]
    skipped: Mapping[str, int]


def read_labelled(lines: Iterable[bytes], schema: TableSchema) -> LabelledRows:
    """Return the labelled rows of merged records, oldest first, whatever order the lines come in.

    A record that cannot be read is skipped whole and counted by its reason; so are rows whose label is missing. Our own
    requests are left out, uncounted.
    """
    rows: list[LabelledRow] = []
    skipped: Counter[str] = Counter()
    for line in lines:
        if not line.strip():
            continue
        try:
            found = _read_line(line, schema)
        except PayloadError as error:
            skipped[str(error)] += 1
            continue
        rows += [row for row in found if row.label]
        if lacking := sum(not row.label for row in found):
            skipped["a row without a label"] += lacking
    return LabelledRows(tuple(sorted(rows, key=lambda row: (row.time, row.row_key))), dict(skipped))


def is_held_out(row: LabelledRow, share: float) -> bool:
    """Say whether a row belongs to the ``share`` of invocations that is kept out of training.

    By the invocation's id alone: all its rows together, and the same ones whenever it is asked.
    """
    digest = hashlib.sha256(row.row_key[0].encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * _HASH_RANGE


def training_csv(rows: Iterable[LabelledRow], schema: TableSchema, *, header: bool = True) -> bytes:
    """Return CSV of the inputs and the label; missing values are empty."""
    names = (*schema.input_columns, schema.label_column)
    return _written(names if header else None, ((*row.inputs, row.label) for row in rows))


def evaluation_csv(rows: Iterable[LabelledRow], schema: TableSchema, *, header: bool = True) -> bytes:
    """Return CSV of the row's id, the inputs, the label and the champion's prediction.

    Segments are input columns, so they are among them.
    """
    names = (ROW_ID, *schema.input_columns, schema.label_column, CHAMPION_PREDICTION)
    return _written(names if header else None, ((row.row_id, *row.inputs, row.label, row.prediction) for row in rows))


def scored_rows(evaluation: bytes, predictions: bytes, schema: TableSchema, segments: Sequence[str] = ()) -> ScoredRows:
    """Return the rows of an evaluation table with the challenger's answers from ``predictions``.

    That is CSV with a column ``prediction``; rows are told by ``row_id`` where it has one, else by their place, and
    then there must be as many (`ScoredRows.mismatch` says if there are not).

    Raises
    ------
    ValueError
        naming the column that one of the tables lacks.
    """
    # Inputs that are no segments are not looked at: they are most of the table.
    table = _columns(evaluation, {ROW_ID, schema.label_column, CHAMPION_PREDICTION, *segments})
    answers = _columns(predictions)
    if PREDICTION not in answers:
        message = f"the predictions have no column {PREDICTION!r}; got {', '.join(answers) or 'no header'}"
        raise ValueError(message)
    lacking = [name for name in (ROW_ID, schema.label_column, CHAMPION_PREDICTION, *segments) if name not in table]
    if lacking:
        message = f"the evaluation table has no column {', '.join(map(repr, lacking))}; segments are input columns"
        raise ValueError(message)
    challenger: list[str | None] = [value or None for value in answers[PREDICTION]]
    if ROW_ID in answers:
        by_row = dict(zip(answers[ROW_ID], challenger, strict=True))
        challenger = [by_row.get(row) for row in table[ROW_ID]]
    return ScoredRows(
        labels=table[schema.label_column],
        champion=[value or None for value in table[CHAMPION_PREDICTION]],
        challenger=challenger,
        segments={name: table[name] for name in segments},
    )


def _read_line(line: bytes, schema: TableSchema) -> list[LabelledRow]:
    try:
        record = _RECORDS.decode(line)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        message = "not a merged record"
        raise PayloadError(message) from None
    if is_own(record.metadata.inference_id):
        return []
    if record.capture.input is None:
        message = "the input was not captured"
        raise PayloadError(message)
    if record.truth is None:
        message = "no ground truth"
        raise PayloadError(message)
    inputs = _inputs(_parsed(record.capture.input), schema)
    labels = _labels(_parsed(record.truth), len(inputs), schema)
    answers = _answers(record.capture.output, len(inputs), schema)
    told = record.metadata
    key = told.event_id or told.inference_id or ""
    return [
        LabelledRow(told.inference_time, (key, index), values, label or "", answer)
        for index, (values, label, answer) in enumerate(zip(inputs, labels, answers, strict=True))
    ]


def _parsed(payload: Payload) -> Rows:
    text, is_json = payload_text(payload)
    return parse_json(text) if is_json else parse_csv(text)


def _inputs(rows: Rows, schema: TableSchema) -> list[tuple[str | None, ...]]:
    if rows.objects:
        if any(name not in row for row in rows.objects for name in schema.input_columns):
            message = "an input lacks one of input_columns"
            raise PayloadError(message)
        return [tuple(row[name] for name in schema.input_columns) for row in rows.objects]
    if any(len(row) != len(schema.input_columns) for row in rows.fields):
        message = f"an input of another number of fields than the {len(schema.input_columns)} of input_columns"
        raise PayloadError(message)
    return [tuple(row) for row in rows.fields]


def _labels(rows: Rows, count: int, schema: TableSchema) -> list[str | None]:
    if rows.objects:
        key = schema.label_key or schema.label_column
        found = [row.get(key) if key in row or len(row) > 1 else next(iter(row.values())) for row in rows.objects]
    elif len(rows.fields) == 1 and len(rows.fields[0]) == count:
        found = rows.fields[0]
    elif all(len(row) == 1 for row in rows.fields):
        found = [row[0] for row in rows.fields]
    else:
        message = "a ground truth of several fields a row; give the label alone"
        raise PayloadError(message)
    if len(found) != count:
        message = "another number of labels than of rows"
        raise PayloadError(message)
    return found


def _answers(output: Payload | None, count: int, schema: TableSchema) -> list[str | None]:
    """Return the champion's answers; none where they cannot be told: a row is of use for training all the same."""
    if output is None:
        return [None] * count
    try:
        rows = _parsed(output)
    except PayloadError:
        return [None] * count
    name = schema.prediction
    if rows.objects:
        found = [row.get(name) if name is not None else _only(list(row.values())) for row in rows.objects]
    else:
        place = _place(schema)
        fields = rows.fields
        if len(fields) == 1 and count > 1 and len(fields[0]) == count:
            fields = [[value] for value in fields[0]]
        found = [(_only(row) if place is None else row[place] if place < len(row) else None) for row in fields]
    return found if len(found) == count else [None] * count


def _place(schema: TableSchema) -> int | None:
    name = schema.prediction
    if name is None:
        return None
    if schema.output_columns is not None and name in schema.output_columns:
        return schema.output_columns.index(name)
    return int(name) if name.isascii() and name.isdigit() else None


def _only(values: list[str | None]) -> str | None:
    return values[0] if len(values) == 1 else None


def _written(names: Sequence[str] | None, rows: Iterable[Sequence[str | None]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if names is not None:
        writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue().encode()


def _columns(body: bytes, wanted: Container[str] | None = None) -> dict[str, list[str]]:
    reader = csv.reader(io.StringIO(body.decode("utf-8-sig")))
    header = [name.strip() for name in next(reader, ())]
    places = [(place, name) for place, name in enumerate(header) if wanted is None or name in wanted]
    found: dict[str, list[str]] = {name: [] for _, name in places}
    for row in reader:
        if row:
            for place, name in places:
                found[name].append(row[place] if place < len(row) else "")
    return found
