"""The lines of Model Monitor's merge job: a capture record with the ground truth that came for it."""

from typing import Any

import msgspec

from watchkeeper.analysis.attribute_path import AttributePath, cell_text
from watchkeeper.analysis.capture_records import CsvPayload, Payload, PayloadError, payload_text
from watchkeeper.analysis.csv_payload import parse_csv
from watchkeeper.analysis.json_payload import json_documents
from watchkeeper.analysis.quality_attributes import QualityAttributes

Column = list[str | None]


class MergedCsvCapture(msgspec.Struct, gc=False):
    """``captureData`` on the fast path: one of the two, an endpoint's output or a batch transform's."""

    endpointOutput: CsvPayload | None = None  # noqa: N815 - the format's name
    batchTransformOutput: CsvPayload | None = None  # noqa: N815


class MergedCsvRecord(msgspec.Struct, gc=False):
    """A line on the fast path: anything but CSV text on both sides raises."""

    captureData: MergedCsvCapture  # noqa: N815
    groundTruthData: CsvPayload  # noqa: N815


class _Capture(msgspec.Struct):
    endpoint: Payload | None = msgspec.field(default=None, name="endpointOutput")
    batch: Payload | None = msgspec.field(default=None, name="batchTransformOutput")


class _Merged(msgspec.Struct):
    capture: _Capture = msgspec.field(name="captureData")
    truth: Payload | None = msgspec.field(default=None, name="groundTruthData")


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_RECORDS = msgspec.json.Decoder(_Merged)


class MergedRows(msgspec.Struct):
    """The rows of one record: labels, and predictions and probabilities where the attributes name them."""

    labels: Column
    predictions: Column | None
    probabilities: Column | None


def read_merged_record(line: bytes, attributes: QualityAttributes) -> MergedRows:
    """Return the rows of one line.

    Raises
    ------
    PayloadError
        when it is no merged record, a payload cannot be read, an attribute leads nowhere, or outputs and labels
        differ in number; the message never quotes a payload.
    """
    record = decode_record(line, _RECORDS)
    output = record.capture.endpoint or record.capture.batch
    if output is None:
        message = "no output was captured"
        raise PayloadError(message)
    if record.truth is None:
        message = "no ground truth"
        raise PayloadError(message)
    answer = PayloadDocument(output, "output", attributes.output_columns)
    predictions = answer.values(attributes.inference)
    probabilities = answer.values(attributes.probability)
    rows = len(predictions if predictions is not None else probabilities or ())
    if predictions is not None and probabilities is not None and len(probabilities) != rows:
        message = f"{rows} predictions, but {len(probabilities)} probabilities"
        raise PayloadError(message)
    labels = PayloadDocument(record.truth, "ground truth", None).labels(attributes.ground_truth, rows)
    if len(labels) != rows:
        message = f"{rows} output rows, but {len(labels)} labels"
        raise PayloadError(message)
    return MergedRows(labels, predictions, probabilities)


def decode_record[R](line: bytes, decoder: msgspec.json.Decoder[R]) -> R:
    """Return one line as the decoder's type; PayloadError says why it is none."""
    try:
        return decoder.decode(line)
    except RecursionError:
        message = "nested too deeply to be a merged record"
        raise PayloadError(message) from None
    except msgspec.ValidationError:
        message = "JSON, but not a merged record"
        raise PayloadError(message) from None
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        message = "not UTF-8" if "utf-8" in str(error).lower() else "not JSON"
        raise PayloadError(message) from None


class PayloadDocument:
    """A payload, decoded once: rows of CSV fields, or JSON documents."""

    def __init__(self, payload: Payload, side: str, names: tuple[str, ...] | None) -> None:
        self._side = side
        text, is_json = payload_text(payload)
        self._documents: list[Any] | None = json_documents(text, side) if is_json else None
        self._fields: list[Column] = [] if is_json else parse_csv(text).fields
        self._names = names

    def values(self, path: AttributePath | None) -> Column | None:
        """Return what stands at ``path``, one value a row; ``None`` without a path."""
        if path is None:
            return None
        if self._documents is not None:
            return self._at(path)
        position = path.position
        if position is None:
            name = None if self._names is None else path.column_of(self._names)
            if name is None or self._names is None:
                message = f"CSV {self._side}, where no column's name is known; give an index, or name output_columns"
                raise PayloadError(message)
            position = self._names.index(name)
        if any(len(row) <= position for row in self._fields):
            width = min(len(row) for row in self._fields)
            message = f"{width} {self._side} fields, where column {position} was expected"
            raise PayloadError(message)
        return [row[position] for row in self._fields]

    def _at(self, path: AttributePath) -> Column:
        documents = self._documents or []
        try:
            if len(documents) == 1:
                return path.values_in(documents[0])
            return [value for document in documents for value in path.values_in(document)]
        except PayloadError as error:
            message = f"{self._side}: {error}"
            raise PayloadError(message) from None

    def labels(self, path: AttributePath | None, rows: int) -> Column:
        """Return the labels: at ``path``, or the only value of each row; CSV without names needs no path."""
        if self._documents is not None:
            return self._at(path) if path is not None else self._only_values()
        widths = {len(row) for row in self._fields}
        if widths == {1}:
            return [row[0] for row in self._fields]
        if len(self._fields) == 1 and widths == {rows}:
            return self._fields[0]
        if path is not None and path.position is not None:
            return self.values(path) or []
        message = f"{max(widths)} ground truth fields; give a ground_truth_attribute"
        raise PayloadError(message)

    def _only_values(self) -> Column:
        found: Column = []
        for document in self._documents or []:
            for item in document if isinstance(document, list) else [document]:
                if isinstance(item, dict) and len(item) != 1:
                    message = f"ground truth of {len(item)} keys; give a ground_truth_attribute"
                    raise PayloadError(message)
                value = next(iter(item.values())) if isinstance(item, dict) else item
                found += [cell_text(part) for part in value] if isinstance(value, list) else [cell_text(value)]
        return found
