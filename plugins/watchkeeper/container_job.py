"""What a container run is asked to do: Model Monitor's and Clarify's variables and folders, read and checked."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.quality_attributes import ProblemType, QualityAttributes
from watchkeeper.container_clarify_job import ClarifyJob, find_analysis_config, read_clarify_job
from watchkeeper.errors import ContainerContractError

CONFIG_FILE = "processing/processingjobconfig.json"
_CHUNK_BYTES = 1 << 20
_CLARIFY_TYPES = {"MODEL_BIAS": "bias", "MODEL_EXPLAINABILITY": "shap"}
_CLARIFY_DATA = "/opt/ml/processing/input/data"
_HOUR_FOLDER = re.compile(r"(?:^|/)(\d{4})/(\d{2})/(\d{2})/(\d{2})(?:/|$)")
_READ_WHOLE = (
    'Expected one of {"csv":…}, {"json":…}, {"parquet":{}}, {"sagemakerCaptureJson":…}, {"sagemakerMergeJson":…}'
)

DatasetKind = Literal["csv", "json", "parquet", "capture", "merged"]


@dataclass(frozen=True)
class ContainerJob:
    """One run; paths are where they lie on this machine (see ``root``)."""

    kind: DatasetKind
    dataset: Path
    output: Path
    root: Path
    csv_header: bool = True
    output_columns_position: Literal["START", "END"] = "START"
    capture_sides: tuple[str, ...] = ("endpointInput", "endpointOutput")
    baseline_constraints: Path | None = None
    baseline_statistics: Path | None = None
    start: datetime | None = None
    end: datetime | None = None
    metric_time: datetime | None = None
    publish_metrics: bool = False
    endpoint_name: str = ""
    schedule_name: str = ""
    categorical_drift_method: str | None = None
    preprocessor: Path | None = None
    postprocessor: Path | None = None
    dialect: Dialect = Dialect.COMPATIBLE
    minimum_rows: int = 1
    maximum_malformed_share: float = 0.05
    quality: QualityAttributes | None = None
    clarify: ClarifyJob | None = None

    @property
    def is_monitoring(self) -> bool:
        """Whether there is a baseline to judge against; without one, this run makes one."""
        return self.baseline_constraints is not None

    def files(self) -> list[Path]:
        """Return the dataset's files in key order; under hour folders only those of the window.

        More hours than the window's may be mounted, so they are told apart by their path.
        """
        if self.dataset.is_file():
            return [self.dataset]
        found = (path for path in self.dataset.rglob("*") if path.is_file() and not path.name.startswith((".", "_")))
        inside = (path for path in found if self._is_in_window(path.relative_to(self.dataset).as_posix()))
        return sorted(inside, key=lambda path: path.relative_to(self.dataset).as_posix())

    def _is_in_window(self, key: str) -> bool:
        match = _HOUR_FOLDER.search(key)
        if match is None or self.start is None or self.end is None:
            return True
        try:
            hour = datetime(*(int(part) for part in match.groups()), tzinfo=UTC)  # type: ignore[misc, arg-type]
        except ValueError:
            return False
        return self.start.replace(minute=0, second=0, microsecond=0) <= hour < self.end


def open_file(path: Path) -> CaptureFile:
    """Return a file whose bytes are read as they are asked for."""

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk

    return CaptureFile(path.name, chunks())


def read_job(environment: Mapping[str, str], root: Path) -> ContainerJob:
    """Return the job that the environment describes, ``/opt/ml`` in it meaning ``root``.

    Variables missing from the environment are looked up in ``processing/processingjobconfig.json``.

    Raises
    ------
    ContainerContractError
        naming the variable or folder, what was found and what was expected.
    """
    variables = _file_variables(root) | dict(environment)
    analysis_type = variables.get("analysis_type", "")
    if analysis_type not in {"", "DATA_QUALITY", "MODEL_QUALITY", *_CLARIFY_TYPES}:
        remedy = "Use DATA_QUALITY (or leave it unset), MODEL_QUALITY, MODEL_BIAS or MODEL_EXPLAINABILITY"
        raise ContainerContractError("analysis_type", f"got {analysis_type!r}", remedy)
    config = None
    if analysis_type in {"", *_CLARIFY_TYPES}:
        given = variables.get("watchkeeper_analysis_config")
        config = find_analysis_config(root, _relocate(given, root) if given else None)
    if config is None and analysis_type in _CLARIFY_TYPES:
        remedy = "Mount analysis_config.json in /opt/ml/processing/input/config"
        raise ContainerContractError("analysis_type", f"{analysis_type} without Clarify's configuration", remedy)
    has_format = config is None or "dataset_format" in variables
    dataset_format: dict[str, Any] = _dataset_format(variables) if has_format else {"kind": "csv"}
    quality = _quality(variables) if analysis_type == "MODEL_QUALITY" else None
    if config is None:
        _require_kind(dataset_format["kind"], quality)
    else:  # a Clarify job has no such variables: its data lie in a set place, of the kind that its configuration says
        variables = {"dataset_source": _CLARIFY_DATA, **variables}

    def path_of(name: str) -> Path | None:
        text = variables.get(name)
        return _relocate(text, root) if text else None

    source = path_of("dataset_source")
    if source is None or not source.exists():
        found = "not set" if source is None else f"{source} is not there"
        raise ContainerContractError("dataset_source", found, "Name the folder that the dataset is mounted at")
    for name in ("baseline_constraints", "baseline_statistics"):
        document = path_of(name)
        if document is not None and not document.is_file():
            raise ContainerContractError(name, f"{document} is not there", "Mount the baseline's file, or unset it")
    method = variables.get("categorical_drift_method") or None
    if method not in {None, "LInfinity", "ChiSquared"}:
        raise ContainerContractError("categorical_drift_method", f"got {method!r}", "Use LInfinity or ChiSquared")
    clarify = None
    if config is not None:
        header = dataset_format.get("csv_header") if has_format else None
        only = _CLARIFY_TYPES.get(analysis_type)
        clarify = read_clarify_job(config, root, variables, dataset_format["kind"], header=header, only=only)
    return ContainerJob(
        **dataset_format,
        dataset=source,
        output=path_of("output_path") or root / "processing/output",
        root=root,
        baseline_constraints=path_of("baseline_constraints"),
        baseline_statistics=path_of("baseline_statistics"),
        start=_moment(variables, "start_time"),
        end=_moment(variables, "end_time"),
        metric_time=_moment(variables, "metric_time"),
        publish_metrics=variables.get("publish_cloudwatch_metrics") == "Enabled",
        endpoint_name=variables.get("sagemaker_endpoint_name", ""),
        schedule_name=variables.get("sagemaker_monitoring_schedule_name", ""),
        categorical_drift_method=method,
        preprocessor=path_of("record_preprocessor_script"),
        postprocessor=path_of("post_analytics_processor_script"),
        dialect=_dialect(variables),
        minimum_rows=_row_count(variables, "watchkeeper_minimum_rows", 1),
        maximum_malformed_share=_share(variables, "watchkeeper_maximum_malformed_share", 0.05),
        quality=quality,
        clarify=clarify,
    )


def _file_variables(root: Path) -> dict[str, str]:
    file = root / CONFIG_FILE
    if not file.is_file():
        return {}
    try:
        document = json.loads(file.read_bytes())
        return {str(name): str(value) for name, value in (document.get("Environment") or {}).items()}
    except (ValueError, AttributeError) as error:
        raise ContainerContractError(str(file), f"no job configuration ({error})", "Expected a JSON object") from error


def _relocate(path: str, root: Path) -> Path:
    prefix = "/opt/ml"
    return (
        root / path.removeprefix(prefix).lstrip("/") if path == prefix or path.startswith(f"{prefix}/") else Path(path)
    )


def _dataset_format(variables: Mapping[str, str]) -> dict[str, Any]:
    text = variables.get("dataset_format", "")
    try:
        document = json.loads(text)
        kind, options = next(iter(document.items()))
        options = options or {}
    except (ValueError, AttributeError, StopIteration) as error:
        raise ContainerContractError("dataset_format", f"got {text[:80]!r}", _READ_WHOLE) from error
    if not isinstance(options, dict):
        raise ContainerContractError("dataset_format", f"got {text[:80]!r}", f"{_READ_WHOLE}, with an object inside")
    match kind:
        case "csv":
            position = options.get("output_columns_position", "START")
            if str(position) not in {"START", "END"}:
                raise ContainerContractError(
                    "dataset_format", f"output_columns_position {position!r}", "Use START or END"
                )
            return {"kind": "csv", "csv_header": bool(options.get("header")), "output_columns_position": position}
        case "json" | "jsonlines":
            return {"kind": "json"}
        case "parquet":
            return {"kind": "parquet"}
        case "sagemakerCaptureJson":
            sides = options.get("captureIndexNames") or ["endpointInput", "endpointOutput"]
            if not isinstance(sides, list) or not all(isinstance(side, str) for side in sides):
                remedy = 'Expected a list such as ["endpointInput", "endpointOutput"]'
                raise ContainerContractError("dataset_format", "captureIndexNames is no list of names", remedy)
            return {"kind": "capture", "capture_sides": tuple(sides)}
        case "sagemakerMergeJson":
            return {"kind": "merged"}
        case _:
            raise ContainerContractError("dataset_format", f"got {kind!r}", _READ_WHOLE)


def _quality(variables: Mapping[str, str]) -> QualityAttributes:
    given = variables.get("problem_type", "")
    if given not in set(ProblemType):
        raise ContainerContractError("problem_type", f"got {given!r}", f"Use one of {', '.join(ProblemType)}")
    try:
        return QualityAttributes(
            ProblemType(given),
            variables.get("inference_attribute") or None,
            variables.get("probability_attribute") or None,
            variables.get("ground_truth_attribute") or None,
            _share(variables, "probability_threshold_attribute", 0.5),
            variables.get("positive_label") or "1",
            variables.get("watchkeeper_negative_label") or None,
        )
    except ValueError as error:
        raise ContainerContractError(
            "analysis_type MODEL_QUALITY", str(error), "Set the attribute's variable"
        ) from error


def _require_kind(kind: DatasetKind, quality: QualityAttributes | None) -> None:
    if quality is not None and kind == "capture":
        remedy = 'Join them with ground truth first, and use {"sagemakerMergeJson":…}'
        raise ContainerContractError("dataset_format", "captures alone, which have no labels", remedy)
    if quality is None and kind == "merged":
        raise ContainerContractError("dataset_format", "merged records", "Set analysis_type=MODEL_QUALITY")


def _moment(variables: Mapping[str, str], name: str) -> datetime | None:
    text = variables.get(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ContainerContractError(name, f"got {text!r}", "Expected a time such as 2026-11-20T05:00:00Z") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _dialect(variables: Mapping[str, str]) -> Dialect:
    # A drop-in answers what the container it replaces would.
    text = variables.get("watchkeeper_dialect") or Dialect.COMPATIBLE
    if text not in set(Dialect):
        raise ContainerContractError("watchkeeper_dialect", f"got {text!r}", "Use compatible or exact")
    return Dialect(text)


def _row_count(variables: Mapping[str, str], name: str, default: int) -> int:
    text = variables.get(name)
    number = _number(text) if text else float(default)
    # Neither nan nor an infinity is whole.
    if not number.is_integer() or number < 0:
        raise ContainerContractError(name, f"got {text!r}", "Expected a whole number of rows")
    return int(number)


def _share(variables: Mapping[str, str], name: str, default: float) -> float:
    text = variables.get(name)
    number = _number(text) if text else default
    if not 0 <= number <= 1:
        raise ContainerContractError(name, f"got {text!r}", "Expected a share from 0 to 1")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
