"""The registry's files: every endpoint that can be watched, and every fault of those that cannot."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from watchkeeper.errors import RegistryError
from watchkeeper.registry.capture_window import Period
from watchkeeper.registry.endpoint_spec import UNWRITTEN_FIELDS, EndpointSpec
from watchkeeper.registry.monitor_spec import MonitorName
from watchkeeper.registry.spec_problems import did_you_mean, told
from watchkeeper.registry.yaml_mapping import EMPTY_FILE, read_mapping

DEFAULTS_FILE = "_defaults.yaml"
REGISTRY_ID = re.compile(r"[A-Za-z0-9](?:[-_]?[A-Za-z0-9]){0,62}")
"""What a file's stem may be: safe in S3 keys, metric dimensions and job names alike."""


@dataclass(frozen=True)
class Registry:
    """The endpoints of one folder. Faulty files are not among them; ``problems`` says why, file by file."""

    folder: Path
    endpoints: dict[str, EndpointSpec] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def require_sound(self) -> None:
        """Raise RegistryError with every fault of every file, if there is any."""
        if self.problems:
            raise RegistryError(str(self.folder), self.problems)

    def require(self, registry_id: str) -> EndpointSpec:
        """Return one endpoint; RegistryError names its faults, or the likeliest other name."""
        if registry_id in self.endpoints:
            return self.endpoints[registry_id]
        own = tuple(line for line in self.problems if line.startswith((f"{registry_id}.yaml:", f"{DEFAULTS_FILE}:")))
        if not own:
            known = did_you_mean(registry_id, sorted(self.endpoints)) if self.endpoints else "there are none"
            own = (f"{registry_id}: no such endpoint file; {known}",)
        raise RegistryError(str(self.folder), own)

    def watched(self, monitor: MonitorName, period: Period) -> tuple[EndpointSpec, ...]:
        """Return the endpoints that ``monitor`` judges over windows of ``period``, by their id."""
        return tuple(spec for _, spec in sorted(self.endpoints.items()) if spec.watches(monitor, period))

    def labelled(self) -> tuple[EndpointSpec, ...]:
        """Return the endpoints whose labels are joined with their captures, by their id."""
        found = sorted(self.endpoints.items())
        return tuple(spec for _, spec in found if spec.ground_truth is not None and spec.ground_truth.enabled)


def load_registry(folder: Path) -> Registry:
    """Return the registry of ``folder``: ``_defaults.yaml`` laid under each endpoint's file.

    Never raises for what a file says: a faulty file leaves out its own endpoint only.
    """
    folder = Path(folder)
    if not folder.is_dir():
        problem = f"{folder}: no such folder; set WATCHKEEPER_ENDPOINTS, or put the files into include/endpoints"
        return Registry(folder, {}, (problem,))
    problems = [f"{name}: {fault}" for name, fault in _stray_files(folder)]
    defaults, default_faults = _read_defaults(folder / DEFAULTS_FILE)
    problems += [f"{DEFAULTS_FILE}: {fault}" for fault in default_faults]
    endpoints: dict[str, EndpointSpec] = {}
    for path in _endpoint_files(folder):
        spec, faults = _read_endpoint(path, defaults)
        if spec is not None and not faults:
            faults = list(_clashes(spec, endpoints))
        if spec is not None and not faults:
            endpoints[path.stem] = spec
        problems += [f"{path.name}: {fault}" for fault in faults]
    return Registry(folder, endpoints, tuple(dict.fromkeys(problems)))


def load_endpoint(folder: Path, registry_id: str) -> EndpointSpec:
    """Return one endpoint without reading the files of the others: what a task for one endpoint needs.

    RegistryError tells its faults and those of the defaults, or that there is no such file.
    """
    folder = Path(folder)
    path = folder / f"{registry_id}.yaml"
    if not REGISTRY_ID.fullmatch(registry_id) or not path.is_file():
        return load_registry(folder).require(registry_id)
    defaults, default_faults = _read_defaults(folder / DEFAULTS_FILE)
    spec, faults = _read_endpoint(path, defaults)
    if spec is not None and not faults:
        return spec
    problems = [f"{DEFAULTS_FILE}: {fault}" for fault in default_faults] + [f"{path.name}: {fault}" for fault in faults]
    raise RegistryError(str(folder), tuple(problems))


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``over`` laid on ``under``: mappings merge, all else replaces; an empty section keeps what lies under."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, Mapping) and (value is None or isinstance(value, Mapping)):
            result[key] = merged(below, value or {})
        else:
            result[key] = value
    return result


def _endpoint_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.yaml") if not path.name.startswith((".", "_")) and path.is_file())


def _stray_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield files that somebody may believe are read, and are not."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if any(path.rglob("*.yaml")):
                yield path.name, "got a folder with YAML files; folders are not read: move the files up"
        elif path.suffix == ".yml":
            yield path.name, f"got the suffix .yml; rename it to {path.stem}.yaml"
        elif path.suffix == ".yaml" and path.name.startswith("_") and path.name != DEFAULTS_FILE:
            yield path.name, f"names with _ in front are not endpoints; did you mean {DEFAULTS_FILE!r}?"


def _read_defaults(path: Path) -> tuple[dict[str, Any], list[str]]:
    if not path.exists():
        return {}, []
    values, faults = read_mapping(path)
    if faults == [EMPTY_FILE]:
        return {}, []
    faults += [f"{name}: {why}" for name, why in _NOT_DEFAULTS.items() if name in values]
    values = {name: value for name, value in values.items() if name not in _NOT_DEFAULTS}
    faults += told((error for error in _errors(values) if error["type"] != "missing"), EndpointSpec)
    return values, faults


_NOT_DEFAULTS = {
    "endpoint_name": "two endpoints cannot share it; write it in the endpoint's own file",
    "registry_id": "unknown field; it is the file's stem",
}


def _read_endpoint(path: Path, defaults: Mapping[str, Any]) -> tuple[EndpointSpec | None, list[str]]:
    own, faults = read_mapping(path)
    if not REGISTRY_ID.fullmatch(path.stem):
        faults.append(
            f"got the file name {path.name!r}; use up to 63 letters and digits with single inner - or _, then .yaml"
        )
    faults += [f"{name}: unknown field; it is the file's stem" for name in sorted(UNWRITTEN_FIELDS & own.keys())]
    if not own:
        return None, faults
    own = {name: value for name, value in own.items() if name not in UNWRITTEN_FIELDS}
    values = {"capture": {}, **merged(defaults, own), "registry_id": path.stem}
    faults += _take_in_analysis(values, path.parent)
    try:
        return EndpointSpec.model_validate(values), faults
    except ValidationError as error:
        details = error.errors(include_url=False)
    if not REGISTRY_ID.fullmatch(path.stem) and "endpoint_name" not in own:
        details = [detail for detail in details if detail["loc"] != ("endpoint_name",)]
    for detail in details:
        if detail["loc"] == ("endpoint_name",) and "endpoint_name" not in own:
            faults.append(
                f"endpoint_name: got {path.stem!r} from the file's name; add SageMaker's name of the endpoint"
            )
        elif detail["type"] == "missing" or _is_own(detail, own) or not _is_own(detail, defaults):
            faults += told([detail], EndpointSpec)
    return None, faults


def _take_in_analysis(values: dict[str, Any], folder: Path) -> list[str]:
    """Put the content of each ``analysis_config`` in the place of its file's name; return what is wrong with them."""
    faults = []
    sections = values.get("monitors")
    for name, section in list(sections.items()) if isinstance(sections, Mapping) else []:
        given = section.get("analysis_config") if isinstance(section, Mapping) else None
        if not isinstance(given, str):
            continue
        content, why = _analysis_of(folder, given)
        if why:
            faults.append(f"monitors.{name}.analysis_config: {why}")
        # A name that cannot be read is left: it stands for a config, so that nothing else is missed.
        changed = {**section, "analysis_config": given if content is None else content}
        values["monitors"] = {**values["monitors"], name: changed}
    return faults


def _analysis_of(folder: Path, name: str) -> tuple[dict[str, Any] | None, str]:
    if Path(name).name != name or not name.endswith(".json"):
        return None, f"got {name!r}; use the name of a .json file beside this one, without a folder"
    try:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, f"got {name!r}; there is no such file beside this one"
    except (OSError, ValueError):
        return None, f"got {name!r}, which is no JSON that can be read; put Clarify's analysis_config.json there"
    if not isinstance(content, dict) or "methods" not in content:
        return None, f"got {name!r} without methods; put Clarify's analysis_config.json there"
    return content, ""


def _errors(values: Mapping[str, Any]) -> list[ErrorDetails]:
    try:
        EndpointSpec.model_validate(dict(values))
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _is_own(error: ErrorDetails, values: Mapping[str, Any]) -> bool:
    """Say whether what an error is about stands in ``values``; a section's own rule counts if any of it does."""
    value: Any = values
    for part in error["loc"]:
        if part == "[key]":
            break
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _clashes(spec: EndpointSpec, others: Mapping[str, EndpointSpec]) -> Iterator[str]:
    """Yield why an endpoint cannot stand beside those of the files before it."""
    for registry_id, other in others.items():
        if registry_id.lower() == spec.registry_id.lower():
            yield f"got a name that differs from {registry_id}.yaml only in case; rename one"
        shared = sorted(set(spec.variants) & set(other.variants)) if _place(spec) == _place(other) else []
        if shared:
            yield (
                f"variants: got {', '.join(shared)} of endpoint {spec.endpoint_name!r}, which {registry_id}.yaml "
                "watches already; name other variants, or remove one file"
            )


def _place(spec: EndpointSpec) -> tuple[str | None, ...]:
    """Return what tells endpoints apart: by whatever role an account is reached, it is the same account."""
    return spec.endpoint_name, spec.region_name, spec.account_id or spec.aws_conn_id
