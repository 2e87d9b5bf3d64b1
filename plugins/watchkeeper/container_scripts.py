"""The user's own scripts that Model Monitor's contract allows: a record preprocessor and a postprocessor.

They are code that the owner of the job mounts beside the data; they run in this process, as in the container that
this one stands in for.
"""

import importlib.util
import inspect
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.line_blocks import LineBlocks
from watchkeeper.container_job import ContainerJob, open_file
from watchkeeper.errors import ContainerContractError

_log = logging.getLogger("watchkeeper.preprocessor")


@dataclass(frozen=True)
class PayloadView:
    """One side of an invocation, as scripts written for Model Monitor expect it."""

    data: str
    encoding: str
    observedContentType: str  # noqa: N815 - the contract's name
    mode: str


@dataclass(frozen=True)
class EventMetadataView:
    """When and by which id the invocation happened."""

    event_id: str
    event_time: str
    custom_attribute: Any = None
    inference_id: str | None = None


class InferenceRecord:
    """One captured invocation; prints as the line's own JSON."""

    def __init__(self, line: dict[str, Any]) -> None:
        capture = line.get("captureData") or {}
        metadata = line.get("eventMetadata") or {}
        self._line = line
        self.endpoint_input = _payload(capture.get("endpointInput"))
        self.endpoint_output = _payload(capture.get("endpointOutput"))
        self.batch_transform_output = _payload(capture.get("batchTransformOutput"))
        self.ground_truth = _payload(line.get("groundTruthData"))
        self.event_version = line.get("eventVersion", "0")
        self.event_metadata = EventMetadataView(
            metadata.get("eventId", ""),
            metadata.get("inferenceTime", ""),
            metadata.get("customAttributes"),
            metadata.get("inferenceId"),
        )

    def __str__(self) -> str:
        return json.dumps(self._line)


def _payload(side: dict[str, Any] | None) -> PayloadView | None:
    if side is None:
        return None
    return PayloadView(
        side.get("data", ""), side.get("encoding", ""), side.get("observedContentType", ""), side.get("mode", "")
    )


def preprocessed_files(job: ContainerJob, paths: Sequence[Path]) -> Iterator[CaptureFile]:
    """Yield each file as JSON Lines of the columns that ``preprocess_handler`` returned, in order.

    Of captures and merged records the handler gets the record, of a CSV dataset each line as text. What it returns
    becomes one row; an empty list drops the record; a list of mappings becomes several rows.
    """
    handler = _handler(job)
    for path in paths:
        yield CaptureFile(path.name, _rows(job, path, handler))


def _handler(job: ContainerJob) -> Callable[[Any], Any]:
    if job.preprocessor is None:
        raise ContainerContractError("record_preprocessor_script", "not set", "")
    function = getattr(_load(job.preprocessor), "preprocess_handler", None)
    if function is None:
        raise ContainerContractError(str(job.preprocessor), "no preprocess_handler", "Define it at the top level")
    takes_logger = len(inspect.signature(function).parameters) > 1
    return (lambda record: function(record, _log)) if takes_logger else function


def _rows(job: ContainerJob, path: Path, handler: Callable[[Any], Any]) -> Iterator[bytes]:
    number = 0
    for block in LineBlocks(open_file(path).chunks):
        for line in block.splitlines():
            number += 1
            if not line.strip() or (job.kind == "csv" and job.csv_header and number == 1):
                continue
            try:
                given = InferenceRecord(json.loads(line)) if job.kind in {"capture", "merged"} else line.decode()
                returned = handler(given)
            except Exception as error:
                place = f"{path.name}, line {number}"
                found = f"preprocess_handler raised {type(error).__name__}"
                raise ContainerContractError(place, found, f"Mend {job.preprocessor}") from error
            rows = returned if isinstance(returned, list) else [returned]
            if job.kind == "capture":
                yield from (_as_capture(row) for row in rows)
            else:
                yield from (json.dumps(row).encode() + b"\n" for row in rows)


def _as_capture(row: dict[str, Any]) -> bytes:
    payload = {"data": json.dumps(row), "encoding": "JSON", "observedContentType": "application/json", "mode": "INPUT"}
    return json.dumps({"captureData": {"endpointInput": payload}}).encode() + b"\n"


def run_postprocessor(script: Path) -> None:
    """Call the script's ``postprocess_handler``, which takes nothing, after a successful analysis."""
    function = getattr(_load(script), "postprocess_handler", None)
    if function is None:
        raise ContainerContractError(str(script), "no postprocess_handler", "Define it at the top level")
    function()


def _load(script: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"watchkeeper_user_{script.stem}", script)
    if specification is None or specification.loader is None or not script.is_file():
        raise ContainerContractError(str(script), "no Python file", "Mount the script, or unset its variable")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
