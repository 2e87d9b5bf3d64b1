"""The inference container: request bytes in, response bytes out, by content type."""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.linear_model import Columns, LinearModel

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"


@dataclass(frozen=True)
class Answer:
    """What a container sends back; any status but 200 is a model error to SageMaker."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True)
class ModelContainer:
    """Answers CSV rows, a JSON document, or JSON Lines: one prediction per record.

    A record is a flat object, a list of the features' values, or ``{"features": …}`` of either. A JSON document is one
    record, a list of them, or ``{"instances": […]}``, answered by ``{"predictions": [{"score": …}]}``.
    """

    model: LinearModel

    def answer(self, content_type: str, body: bytes) -> Answer:
        """Return the answer in the content type of the question; 415 for others, 400 for what cannot be parsed."""
        kind = content_type.partition(";")[0].strip().lower()
        if kind not in {CSV, JSON, JSON_LINES}:
            return Answer(415, "text/plain", f"unsupported content type {kind}".encode())
        try:
            text = body.decode()
            if kind == CSV:
                return Answer(
                    200, f"{CSV}; charset=utf-8", _lines(map(str, self.model.predict(self._csv_columns(text))))
                )
            if kind == JSON:
                return Answer(200, kind, self._json_answer(json.loads(text)))
            return Answer(200, kind, _lines(self._named(map(json.loads, text.splitlines()))))
        except (ValueError, TypeError) as error:
            return Answer(400, "text/plain", f"{type(error).__name__}: cannot read the payload".encode())

    def _csv_columns(self, text: str) -> Columns:
        lines = [fields for fields in csv.reader(text.splitlines()) if fields]
        width = len(self.model.inputs)
        if not lines or any(len(fields) != width for fields in lines):
            message = f"expected rows of {width} fields"
            raise ValueError(message)
        return {name: [fields[i] or None for fields in lines] for i, name in enumerate(self.model.inputs)}

    def _json_answer(self, document: object) -> bytes:
        if isinstance(document, dict) and isinstance(document.get("instances"), list):
            predictions = self._predicted(document["instances"])
            return json.dumps({"predictions": [{"score": value} for value in predictions]}).encode() + b"\n"
        if isinstance(document, list):
            return f"[{', '.join(self._named(document))}]\n".encode()
        return _lines(self._named([document]))

    def _named(self, records: Iterable[object]) -> list[str]:
        return [json.dumps({self.model.output: value}) for value in self._predicted(records)]

    def _predicted(self, records: Iterable[object]) -> list[float]:
        objects = [self._object(record) for record in records]
        if not objects:
            message = "expected at least one record"
            raise ValueError(message)
        return self.model.predict({name: [record.get(name) for record in objects] for name in self.model.inputs})

    def _object(self, record: object) -> dict[str, object]:
        if isinstance(record, dict) and set(record) == {"features"}:
            record = record["features"]
        if isinstance(record, list):
            return dict(zip(self.model.inputs, record, strict=True))
        if not isinstance(record, dict):
            message = "expected flat JSON objects"
            raise TypeError(message)
        return record


def _lines(values: Iterable[str]) -> bytes:
    return "".join(f"{value}\n" for value in values).encode()
