"""Faults that a model finds, as lines that say where, what was found and what to do."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from watchkeeper.registry.secret_scan import looks_secret
from watchkeeper.registry.spec_base import PATTERN_REMEDIES

Path = tuple[int | str, ...]

_WHOLE, _NUMBER, _TEXT = "use a whole number, without quotes", "use a number, without quotes", "put it in quotes"
_REMEDIES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "literal_error": lambda context: f"use {context['expected']}",
    "int_type": lambda _: _WHOLE,
    "int_from_float": lambda _: _WHOLE,
    "int_parsing": lambda _: "use a whole number",
    "float_type": lambda _: _NUMBER,
    "float_parsing": lambda _: "use a number",
    "bool_type": lambda _: "use true or false",
    "string_type": lambda _: _TEXT,
    "tuple_type": lambda _: "use a list, such as [first, second]",
    "dict_type": lambda _: "use a mapping of names to values",
    "model_type": lambda _: "use a mapping of field names to values",
    "finite_number": lambda _: "use a finite number",
    "greater_than_equal": lambda context: f"use at least {context['ge']}",
    "less_than_equal": lambda context: f"use at most {context['le']}",
    "greater_than": lambda context: f"use more than {context['gt']}",
    "less_than": lambda context: f"use less than {context['lt']}",
    "too_short": lambda context: f"give at least {context['min_length']}",
    "string_pattern_mismatch": lambda context: PATTERN_REMEDIES.get(
        context["pattern"], f"use a text that matches {context['pattern']}"
    ),
    "value_error": lambda context: str(context["error"]),
}


def field_path(location: Path) -> str:
    """Return a place in a file as ``monitors.data_quality.periods[0]``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def told(errors: Iterable[ErrorDetails], model: type[BaseModel]) -> list[str]:
    """Return the faults of a validation, less the echo of a list that is only short of its faulty items."""
    return [describe(error, model) for error in errors if not (error["type"] == "too_short" and error["input"])]


def describe(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Return one fault as ``field.path: got X; remedy``. ``model`` is where the path starts."""
    location = tuple(part for part in error["loc"] if part != "[key]")
    path = f"{field_path(location)}: " if location else ""
    kind = error["type"]
    if kind == "missing":
        return f"{path}missing; add it: {_meaning(model, location)}"
    if kind == "extra_forbidden":
        return f"{path}{_unknown(str(location[-1]), location[:-1], model)}"
    remedy = _REMEDIES[kind](error.get("ctx", {})) if kind in _REMEDIES else error["msg"]
    if kind == "value_error" and isinstance(error["input"], Mapping):
        return f"{path}{remedy}"
    return f"{path}got {shown(error['input'])}; {remedy}"


def shown(value: object) -> str:
    """Return a value as a file would show it, cut to a readable length; what looks like a secret is not shown."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "an empty list" if not value else "a list"
    if isinstance(value, str) and looks_secret(value):
        return "what looks like a secret"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return ``did you mean 'x'?`` for the likeliest known name, else the list of what is known."""
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    if not close:
        longer = [candidate for candidate in known if name.lower() in candidate.split("_")]
        close = longer if len(longer) == 1 else []
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"


def _unknown(name: str, parent: Path, model: type[BaseModel]) -> str:
    owner = _model_at(model, parent)
    known = file_fields(owner) if owner else []
    here = did_you_mean(name, known)
    if not here.startswith("did"):
        elsewhere = [place for place in _places(model, ()) if place[-1] == name]
        if len(elsewhere) == 1:
            return f"unknown field here; it belongs to {field_path(elsewhere[0])}"
    return f"unknown field; {here}"


def file_fields(model: type[BaseModel]) -> list[str]:
    """Return the names that a file may use for ``model``, in their order."""
    return [name for name in model.model_fields if name != "registry_id"]


def nested_model(annotation: object) -> type[BaseModel] | None:
    """Return the model inside an annotation such as ``Spec``, ``Spec | None`` or ``dict[str, Spec]``, if any."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is Literal:
        return None
    for inner in get_args(annotation):
        found = nested_model(inner)
        if found:
            return found
    return None


def is_mapping_of_models(annotation: object) -> bool:
    """Say whether an annotation is a mapping from free names to a model."""
    return get_origin(annotation) is dict and nested_model(annotation) is not None


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    # Places in a list are no steps: its items are what it is annotated with.
    steps = iter(step for step in path if not isinstance(step, int))
    for step in steps:
        field = model.model_fields.get(str(step))
        inner = nested_model(field.annotation) if field else None
        if field is None or inner is None:
            return None
        if is_mapping_of_models(field.annotation):
            next(steps, None)
        model = inner
    return model


def _places(model: type[BaseModel], prefix: Path) -> Iterator[Path]:
    for name in file_fields(model):
        annotation = model.model_fields[name].annotation
        inner = nested_model(annotation)
        yield (*prefix, name)
        if inner and not is_mapping_of_models(annotation):
            yield from _places(inner, (*prefix, name))


def _meaning(model: type[BaseModel], location: Path) -> str:
    owner = _model_at(model, location[:-1])
    field = owner.model_fields.get(str(location[-1])) if owner else None
    description = (field.description if field else None) or "it is required"
    first = description.split(". ")[0].rstrip(".")
    return first[0].lower() + first[1:] if first[1:2].islower() and first.split(" ")[0].isalpha() else first
