"""The user's own scripts that Model Monitor's contract allows: a record preprocessor and a postprocessor.

They are code that the owner of the job mounts beside the data; they run in this process, as in the container that
this one stands in for.
"""

import importlib.util
import inspect
import json
import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from watchkeeper.analysis.capture_records import CaptureFile, Record
from watchkeeper.analysis.own_requests import CaptureBlocks
from watchkeeper.container_job import ContainerJob, open_file
from watchkeeper.errors import ContainerContractError, DatasetError

_RECORDS = msgspec.json.Decoder(Record)
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
    becomes one row; an empty list drops the record; a list of mappings becomes several rows. A line that is no record
    stays as it is: it is not the handler's fault, and whoever reads the rows counts it as malformed.
    """
    handler = _handler(job)
    for path in paths:
        yield CaptureFile(path.name, _rows(job, path, handler))


def _handler(job: ContainerJob) -> Callable[[Any], Any]:
    if job.preprocessor is None:
        raise ContainerContractError("record_preprocessor_script", "not set", "")
    function = _function(job.preprocessor, "preprocess_handler")
    takes_logger = len(inspect.signature(function).parameters) > 1
    return (lambda record: function(record, _log)) if takes_logger else function


def _rows(job: ContainerJob, path: Path, handler: Callable[[Any], Any]) -> Iterator[bytes]:
    script = job.preprocessor or Path()
    number = 0
    for block in CaptureBlocks(open_file(path).chunks):
        for line in block.splitlines():
            number += 1
            if not line.strip() or (job.kind == "csv" and job.csv_header and number == 1):
                continue
            place = f"{path.name}, line {number}"
            given = _record(line) if job.kind in {"capture", "merged"} else _text(line, place)
            if given is None:
                yield line + b"\n"
                continue
            with _blaming(script, "preprocess_handler", place):
                returned = handler(given)
            rows = returned if isinstance(returned, list) else [returned]
            texts = [_row_text(row, script, place) for row in rows]
            yield from (_as_capture(text) if job.kind == "capture" else text.encode() + b"\n" for text in texts)


def _record(line: bytes) -> InferenceRecord | None:
    """Return the record of a line, or ``None`` where the analysis would not take it for one either."""
    try:
        _RECORDS.decode(line)
        return InferenceRecord(json.loads(line))
    except (msgspec.DecodeError, ValueError, AttributeError, RecursionError):
        return None


def _text(line: bytes, place: str) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise DatasetError(place, "not UTF-8", "Store it as UTF-8") from error


def _row_text(row: Any, script: Path, place: str) -> str:
    try:
        return json.dumps(row)
    except (TypeError, ValueError, RecursionError) as error:
        found = f"preprocess_handler returned what JSON cannot hold ({error})"
        remedy = f"Return mappings of plain numbers, texts, booleans and None from {script}"
        raise ContainerContractError(place, found, remedy) from error


def _as_capture(row: str) -> bytes:
    payload = {"data": row, "encoding": "JSON", "observedContentType": "application/json", "mode": "INPUT"}
    return json.dumps({"captureData": {"endpointInput": payload}}).encode() + b"\n"


def run_postprocessor(script: Path) -> None:
    """Call the script's ``postprocess_handler``, which takes nothing, after a successful analysis."""
    function = _function(script, "postprocess_handler")
    with _blaming(script, "postprocess_handler"):
        function()


def _function(script: Path, name: str) -> Callable[..., Any]:
    function = getattr(_load(script), name, None)
    if not callable(function):
        raise ContainerContractError(str(script), f"no function {name}", "Define it at the top level")
    return function  # type: ignore[no-any-return]


def _load(script: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"watchkeeper_user_{script.stem}", script)
    if specification is None or specification.loader is None or not script.is_file():
        raise ContainerContractError(str(script), "no Python file", "Mount the script, or unset its variable")
    module = importlib.util.module_from_spec(specification)
    with _blaming(script, "loading it"):
        specification.loader.exec_module(module)
    return module


@contextmanager
def _blaming(script: Path, doing: str, place: str | None = None) -> Iterator[None]:
    """Turn what the user's code raises, or its attempt to end the process, into an error that names its line.

    The exception's own text stays out: it may quote a captured value.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(script)]
        if isinstance(error, SyntaxError) and error.filename == str(script):
            lines.append(error.lineno)
        where = f" in its line {lines[-1]}" if lines else ""
        found = f"{doing} raised {type(error).__name__}{where}"
        raise ContainerContractError(place or str(script), found, f"Mend {script}") from error
