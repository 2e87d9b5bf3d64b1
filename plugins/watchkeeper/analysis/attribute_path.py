"""Where a value stands: a column's index, a name, or a simple JSONPath such as ``$.instances[*].label``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from watchkeeper.analysis.capture_records import PayloadError

Step = str | int | None
"""A key, an index, or ``None`` for all elements."""

_STEP = re.compile(r"""\.?([^.\[\]'"]+)|\[\s*(\*|-?\d+)\s*\]|\[\s*'([^']*)'\s*\]|\[\s*"([^"]*)"\s*\]""")
_EXPECTED = "a column's index such as '0', a name, or a path such as instances[*].label was expected"


@dataclass(frozen=True)
class AttributePath:
    """One attribute as Model Monitor's fields spell it."""

    text: str

    def __post_init__(self) -> None:
        if not self.steps:
            message = f"got {self.text!r}; {_EXPECTED}"
            raise ValueError(message)

    @cached_property
    def position(self) -> int | None:
        """The column's index, where the attribute is one."""
        return int(self.text) if self.text.isascii() and self.text.isdigit() else None

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The way from a document to its values; empty where the text is no path."""
        text = self.text.strip()
        text = text.removeprefix("$")
        steps: list[Step] = []
        end = 0
        while end < len(text):
            match = _STEP.match(text, end)
            if match is None:
                return ()
            key, inside, single, double = match.groups()
            if inside is not None:
                steps.append(None if inside == "*" else int(inside))
            else:
                steps.append(key if key is not None else single if single is not None else double)
            end = match.end()
        return tuple(steps)

    def column_of(self, names: Sequence[str]) -> str | None:
        """Return which of a table's columns is meant: by name, else by index, else by a path's only key."""
        if self.text in names:
            return self.text
        if self.position is not None:
            return names[self.position] if self.position < len(names) else None
        only = self.steps[0]
        return only if len(self.steps) == 1 and isinstance(only, str) and only in names else None

    def values_in(self, document: Any) -> list[str | None]:
        """Return the texts that stand here in a decoded JSON document, in order.

        A list at the path's end holds one value a row. At the top, a list stands for its elements when the path
        begins with a key; an index counts the fields of a row that is an array.

        Raises
        ------
        PayloadError
            when nothing stands there, or a value is not plain.
        """
        if self.position is not None:
            return [cell_text(_field(row, self.position)) for row in _rows(document)]
        found = self.found_in(document)
        if len(found) == 1 and isinstance(found[0], list):
            found = found[0]
        return [cell_text(value) for value in found]

    def found_in(self, document: Any) -> list[Any]:
        """Return what stands at a path's end in a decoded JSON document, once for each way that leads there.

        At the top, a list stands for its elements when the path begins with a key.

        Raises
        ------
        PayloadError
            when nothing stands there.
        """
        found = [document]
        steps = self.steps
        if isinstance(document, list) and isinstance(steps[0], str):
            steps = (None, *steps)
        for step in steps:
            found = _descend(found, step)
        return found


def _descend(found: list[Any], step: Step) -> list[Any]:
    if step is None:
        lists = [item for item in found if isinstance(item, list)]
        if len(lists) != len(found):
            message = "no list where the path says [*]"
            raise PayloadError(message)
        return [value for item in lists for value in item]
    kind = dict if isinstance(step, str) else list
    try:
        if all(isinstance(item, kind) for item in found):
            return [item[step] for item in found]
    except (KeyError, IndexError):
        pass
    message = "nothing stands where the path leads"
    raise PayloadError(message)


def _rows(document: Any) -> list[Any]:
    """Return the rows of a document without names: a list of arrays, one array, or one plain value."""
    if isinstance(document, list):
        return document if document and isinstance(document[0], list) else [document]
    return [[document]]


def _field(row: Any, position: int) -> Any:
    if not isinstance(row, list) or isinstance(row[0] if row else None, dict):
        message = "objects, where an index can only count the fields of arrays"
        raise PayloadError(message)
    if position >= len(row):
        message = f"{len(row)} fields, where column {position} was expected"
        raise PayloadError(message)
    return row[position]


def cell_text(value: Any) -> str | None:
    """Return a plain JSON value as text: ``None`` for null and blank text.

    Raises
    ------
    PayloadError
        for a list or an object.
    """
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case str():
            return value.strip() or None
        case int() | float():
            return repr(value)
        case _:
            message = "a list or an object where a plain value was expected"
            raise PayloadError(message)
