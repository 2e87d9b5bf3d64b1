"""The inference container: request bytes in, response bytes out, by content type."""

import json
from collections.abc import Iterable, Sequence
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
    """Answers CSV rows, one flat JSON object, or JSON Lines: one prediction per record."""

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
            records = [json.loads(text)] if kind == JSON else [json.loads(line) for line in text.splitlines()]
            predictions = self.model.predict(self._json_columns(records))
            return Answer(200, kind, _lines(json.dumps({self.model.output: value}) for value in predictions))
        except (ValueError, TypeError) as error:
            return Answer(400, "text/plain", f"{type(error).__name__}: cannot read the payload".encode())

    def _csv_columns(self, text: str) -> Columns:
        lines = [line.split(",") for line in text.splitlines() if line]
        width = len(self.model.inputs)
        if not lines or any(len(fields) != width for fields in lines):
            message = f"expected rows of {width} fields"
            raise ValueError(message)
        return {name: [fields[i] or None for fields in lines] for i, name in enumerate(self.model.inputs)}

    def _json_columns(self, records: Sequence[object]) -> Columns:
        objects = [record for record in records if isinstance(record, dict)]
        if not objects or len(objects) < len(records):
            message = "expected flat JSON objects"
            raise ValueError(message)
        return {name: [record.get(name) for record in objects] for name in self.model.inputs}


def _lines(values: Iterable[str]) -> bytes:
    return "".join(f"{value}\n" for value in values).encode()
