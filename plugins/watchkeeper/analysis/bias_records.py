"""The rows of one merged record for bias: features with their labels and predictions."""

import msgspec

from watchkeeper.analysis.bias_definition import BiasAttributes
from watchkeeper.analysis.capture_records import CsvPayload, Payload, PayloadError, payload_text
from watchkeeper.analysis.csv_payload import parse_csv
from watchkeeper.analysis.feature_rows import FeatureReader, FeatureRow
from watchkeeper.analysis.merged_record import KeyMetadata
from watchkeeper.analysis.merged_records import Column, PayloadDocument, decode_record


class BiasCsvCapture(msgspec.Struct, gc=False):
    """``captureData`` on the fast path: both sides of an endpoint, or a batch transform's joined output."""

    endpointInput: CsvPayload | None = None  # noqa: N815 - the format's name
    endpointOutput: CsvPayload | None = None  # noqa: N815
    batchTransformOutput: CsvPayload | None = None  # noqa: N815


class BiasCsvRecord(msgspec.Struct, gc=False):
    """A line on the fast path: anything but CSV text raises."""

    captureData: BiasCsvCapture  # noqa: N815
    groundTruthData: CsvPayload  # noqa: N815
    eventMetadata: KeyMetadata  # noqa: N815


class _Capture(msgspec.Struct):
    input: Payload | None = msgspec.field(default=None, name="endpointInput")
    output: Payload | None = msgspec.field(default=None, name="endpointOutput")
    batch: Payload | None = msgspec.field(default=None, name="batchTransformOutput")


class _Record(msgspec.Struct):
    capture: _Capture = msgspec.field(name="captureData")
    truth: Payload | None = msgspec.field(default=None, name="groundTruthData")
    metadata: KeyMetadata = msgspec.field(default_factory=KeyMetadata, name="eventMetadata")


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_RECORDS = msgspec.json.Decoder(_Record)


class BiasRows(msgspec.Struct):
    """The rows of one record, predictions and probabilities where the attributes name them, and its event's id."""

    features: list[FeatureRow]
    labels: Column
    predictions: Column | None
    probabilities: Column | None
    event_id: str


def read_bias_record(line: bytes, attributes: BiasAttributes, reader: FeatureReader) -> BiasRows:
    """Return the rows of one line. A batch transform's output holds the features too (``JoinSource=Input``).

    Raises
    ------
    PayloadError
        when it is no merged record, a payload cannot be read, an attribute leads nowhere, or features, outputs and
        labels differ in number; the message never quotes a payload.
    """
    record = decode_record(line, _RECORDS)
    output = record.capture.output or record.capture.batch
    source = record.capture.input or record.capture.batch
    if source is None:
        message = "no input was captured"
        raise PayloadError(message)
    if record.truth is None:
        message = "no ground truth"
        raise PayloadError(message)
    features = reader.rows(source) if record.capture.input else _joined_features(source, reader)
    predictions = probabilities = None
    if attributes.has_predictions:
        if output is None:
            message = "no output was captured"
            raise PayloadError(message)
        answer = PayloadDocument(output, "output", attributes.output_columns)
        predictions, probabilities = answer.values(attributes.inference), answer.values(attributes.probability)
    rows = len(features)
    labels = PayloadDocument(record.truth, "ground truth", None).labels(attributes.ground_truth, rows)
    for found, name in ((labels, "labels"), (predictions, "predictions"), (probabilities, "probabilities")):
        if found is not None and len(found) != rows:
            message = f"{rows} rows of features, but {len(found)} {name}"
            raise PayloadError(message)
    return BiasRows(features, labels, predictions, probabilities, record.metadata.eventId or "")


def _joined_features(payload: Payload, reader: FeatureReader) -> list[FeatureRow]:
    """Return the features of a joined output: in CSV they stand first, the model's answer after them."""
    text, is_json = payload_text(payload)
    if is_json:
        return reader.rows(payload)
    if reader.names is None:
        message = "joined CSV output, where the features' number is unknown; name input_columns"
        raise PayloadError(message)
    width = len(reader.names)
    fields = parse_csv(text).fields
    if any(len(row) < width for row in fields):
        message = f"{min(map(len, fields))} fields, where {width} features were expected"
        raise PayloadError(message)
    return [row[:width] for row in fields]
