"""Reading a SageMaker pipeline definition (version 2020-12-01): its parameters, its steps' order, its references.

Only what the sandbox runs is understood: ``{"Get": …}`` of parameters, execution variables and steps, and
``Std:Join``. Anything else is refused by name.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STEP_TYPES = ("Training", "Processing", "RegisterModel")
_READERS = {"String": str, "Integer": int, "Float": float, "Boolean": lambda text: text == "true"}


class DefinitionError(ValueError):
    """The definition, or what is asked of it, cannot be run."""


@dataclass(frozen=True)
class PipelineDefinition:
    """A definition whose steps are in the order in which they can run."""

    parameters: tuple[dict[str, Any], ...]
    steps: tuple[dict[str, Any], ...]

    @classmethod
    def parse(cls, text: str) -> "PipelineDefinition":
        """Return the definition in ``text``; ``DefinitionError`` says what is wrong with it."""
        try:
            document = json.loads(text)
        except ValueError as error:
            message = f"The pipeline definition is not JSON: {error}"
            raise DefinitionError(message) from None
        if not isinstance(document, dict) or document.get("Version") != "2020-12-01":
            message = "The pipeline definition must have Version 2020-12-01"
            raise DefinitionError(message)
        steps = document.get("Steps") or []
        unknown = sorted({str(step.get("Type")) for step in steps} - set(STEP_TYPES))
        if not steps or unknown:
            message = f"The sandbox runs steps of type {', '.join(STEP_TYPES)}; found {', '.join(unknown) or 'none'}"
            raise DefinitionError(message)
        return cls(tuple(document.get("Parameters") or ()), _in_order(steps))

    def arguments(self, given: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        """Return the value of each parameter: what was given, as its type, else the default."""
        declared = {parameter["Name"]: parameter for parameter in self.parameters}
        values = {item["Name"]: item["Value"] for item in given}
        unknown = sorted(set(values) - set(declared))
        if unknown:
            message = f"Parameters {unknown} are not defined in the pipeline definition"
            raise DefinitionError(message)
        missing = sorted(name for name in declared if name not in values and "DefaultValue" not in declared[name])
        if missing:
            message = f"Parameters {missing} have no default value and must be given"
            raise DefinitionError(message)
        return {name: _typed(parameter, values) for name, parameter in declared.items()}


def _typed(parameter: Mapping[str, Any], values: Mapping[str, str]) -> Any:
    name = parameter["Name"]
    if name not in values:
        return parameter["DefaultValue"]
    try:
        value = _READERS[parameter["Type"]](values[name])
    except (KeyError, ValueError):
        message = f"Parameter {name} must be of type {parameter['Type']}, got {values[name]!r}"
        raise DefinitionError(message) from None
    allowed = parameter.get("EnumValues")
    if allowed and value not in allowed:
        message = f"Parameter {name} must be one of {allowed}, got {value!r}"
        raise DefinitionError(message)
    return value


def _in_order(steps: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return the steps so that each comes after those it names, otherwise as they were written."""
    names = {step["Name"] for step in steps}
    ordered: list[dict[str, Any]] = []
    left = list(steps)
    while left:
        done = {step["Name"] for step in ordered}
        ready = next((step for step in left if _needed(step) & names <= done), None)
        if ready is None:
            message = f"Steps {sorted(step['Name'] for step in left)} depend on each other"
            raise DefinitionError(message)
        ordered.append(ready)
        left.remove(ready)
    return tuple(ordered)


def _needed(step: Mapping[str, Any]) -> set[str]:
    return set(step.get("DependsOn", ())) | _referenced(step.get("Arguments", {}))


def _referenced(value: object) -> set[str]:
    if isinstance(value, dict):
        path = str(value.get("Get", "")) if set(value) == {"Get"} else ""
        if path.startswith("Steps."):
            return {path.split(".")[1]}
        return set[str]().union(*map(_referenced, value.values()))
    return set[str]().union(*map(_referenced, value)) if isinstance(value, list) else set()


def resolve(value: Any, known: Mapping[str, Any]) -> Any:
    """Return ``value`` with its references replaced; ``known`` maps ``Parameters``, ``Steps`` and ``Execution``."""
    if isinstance(value, list):
        return [resolve(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Get"}:
        return _looked_up(str(value["Get"]), known)
    if set(value) == {"Std:Join"}:
        join = value["Std:Join"]
        return str(join["On"]).join(str(resolve(item, known)) for item in join["Values"])
    function = next((name for name in value if name.startswith("Std:")), None)
    if function:
        message = f"The sandbox does not resolve {function}"
        raise DefinitionError(message)
    return {name: resolve(item, known) for name, item in value.items()}


def _looked_up(path: str, known: Mapping[str, Any]) -> Any:
    found: Any = known
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            message = f"Cannot resolve {path}"
            raise DefinitionError(message)
        found = found[part]
    return found
