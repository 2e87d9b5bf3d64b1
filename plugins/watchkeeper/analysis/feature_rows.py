"""The features of one captured payload as rows of text, whatever the endpoint was sent: CSV, JSON or JSON Lines."""

from typing import Any

from watchkeeper.analysis.attribute_path import AttributePath, cell_text
from watchkeeper.analysis.capture_records import Payload, PayloadError, Rows, payload_text
from watchkeeper.analysis.csv_payload import parse_csv
from watchkeeper.analysis.json_payload import json_documents, parse_json

FeatureRow = list[str | None]


class FeatureReader:
    """Reads payloads that hold the same features.

    ``names`` are the features in order, as the baseline's header has them without its label; without them they are
    the keys of the first object, or ``_c0``, ``_c1``, … ``path`` is Clarify's ``features``: where the features stand
    in a JSON document, such as ``instances[*].features``. CSV fields go by position and need no path.

    Raises
    ------
    ValueError
        when ``path`` is no path.
    """

    def __init__(self, names: tuple[str, ...] | None = None, path: str | None = None) -> None:
        self._names = names
        self._path = None if path is None else AttributePath(path)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The features' names; ``None`` until the first rows say how many there are."""
        return self._names

    def rows(self, payload: Payload) -> list[FeatureRow]:
        """Return the rows of one payload, each as long as `names`; ``None`` is a missing value.

        Raises
        ------
        PayloadError
            when the payload cannot be read, the path leads nowhere, or a row has another number of features; the
            message never quotes the payload.
        """
        text, is_json = payload_text(payload)
        if not is_json:
            return self._positional(parse_csv(text).fields)
        if self._path is None:
            return self._of(parse_json(text))
        found = Rows()
        for document in json_documents(text, "input"):
            for item in self._path.found_in(document):
                _add(found, item, single=self._names is not None and len(self._names) == 1)
        return self._of(found)

    def _of(self, rows: Rows) -> list[FeatureRow]:
        if rows.fields and rows.objects:
            message = "objects and arrays mixed in one payload"
            raise PayloadError(message)
        return self._named(rows.objects) if rows.objects else self._positional(rows.fields)

    def _positional(self, fields: list[FeatureRow]) -> list[FeatureRow]:
        if self._names is None and fields:
            self._names = tuple(f"_c{position}" for position in range(len(fields[0])))
        width = len(self._names or ())
        for row in fields:
            if len(row) != width:
                message = f"{len(row)} features, where {width} were expected"
                raise PayloadError(message)
        return fields

    def _named(self, objects: list[dict[str, str | None]]) -> list[FeatureRow]:
        if self._names is None:
            self._names = tuple(objects[0])
        for item in objects:
            if item.keys().isdisjoint(self._names):
                message = "objects with none of the features' names"
                raise PayloadError(message)
        return [[item.get(name) for name in self._names] for item in objects]


def _add(rows: Rows, found: Any, *, single: bool) -> None:
    """Add what stands at the path's end: a row, a list of rows, or one feature of a model that has only one."""
    match found:
        case [[*_], *_] | [{}, *_]:
            for row in found:
                _add(rows, row, single=single)
        case list():
            cells = [cell_text(value) for value in found]
            rows.fields += [[cell] for cell in cells] if single else [cells]
        case dict():
            rows.objects.append({str(name): cell_text(value) for name, value in found.items()})
        case _:
            if not single and rows.fields:
                message = "plain values where rows of features were expected; leave [*] off the path's end"
                raise PayloadError(message)
            rows.fields.append([cell_text(found)])
