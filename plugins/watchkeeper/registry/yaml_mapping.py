"""One YAML file as a plain mapping, with every fault of its form named by line."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

MAXIMUM_BYTES = 4 * 1024 * 1024
EMPTY_FILE = "the file is empty; write at least owner and capture.s3_uri, or remove it"


class _KeyFaults:
    """Part of a loader: notes keys given twice and keys that are not text."""

    problems: list[str]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the node's mapping; a fault is noted in ``problems`` and the first value of a key is kept."""
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            kept = []
            for key_node, value_node in node.value:
                line = key_node.start_mark.line + 1
                key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "a list or mapping"
                if key_node.tag == "tag:yaml.org,2002:merge":
                    kept.append((key_node, value_node))
                elif key_node.tag != "tag:yaml.org,2002:str":
                    self.problems.append(
                        f"line {line}: got the key {key}, which YAML does not read as text; put it in quotes"
                    )
                elif key in seen:
                    self.problems.append(f"line {line}: got the key {key!r} again, after line {seen[key]}; keep one")
                else:
                    seen[key] = line
                    kept.append((key_node, value_node))
            node.value = kept
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)  # type: ignore[misc]
        return mapping


class _Loader(_KeyFaults, yaml.SafeLoader):
    """YAML's safe loader in Python: any depth, and the errors that are told."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.problems = []


class _FastLoader(_KeyFaults, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same with libyaml's parser, ten times as fast: a fleet has a thousand files."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.problems = []


def _is_shallow(text: str) -> bool:
    """Say whether nesting is bounded far below what would overflow libyaml's stack: a level takes a column."""
    return text.count("[") + text.count("{") < 1000 and max(map(len, text.splitlines()), default=0) < 1000


def read_mapping(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Return a YAML file's mapping and the faults of its form; the mapping is empty when it cannot be read at all.

    A fault is told with its line and remedy, without the file's name. Nothing but plain YAML values is
    ever made, whatever tags the file holds.
    """
    try:
        size = path.stat().st_size
        if size > MAXIMUM_BYTES:
            return {}, [f"got {size:,} bytes; an endpoint file holds at most {MAXIMUM_BYTES:,}"]
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        return {}, [f"got a byte at position {error.start} that is not UTF-8; save the file as UTF-8"]
    except OSError as error:
        return {}, [f"could not be read ({error.strerror}); check the file and its permissions"]
    return _parse(text)


def _parse(text: str) -> tuple[dict[str, Any], list[str]]:
    try:
        loader, value = _load(text)
    except yaml.YAMLError as error:
        return {}, [_syntax_fault(error)]
    except RecursionError:
        return {}, ["nested too deeply; an endpoint file has at most five levels"]
    if _holds_itself(value, set(), set()):
        return {}, ["got an alias inside its own anchor; write the value out"]
    if value is None or value == {}:
        return {}, loader.problems or [EMPTY_FILE]
    if not isinstance(value, dict):
        return {}, [f"got a {_kind(value)}; write a mapping such as 'owner: my-team'"]
    return value, loader.problems


def _holds_itself(value: object, above: set[int], done: set[int]) -> bool:
    if not isinstance(value, dict | list) or id(value) in done:
        return False
    if id(value) in above:
        return True
    above.add(id(value))
    found = any(_holds_itself(item, above, done) for item in (value.values() if isinstance(value, dict) else value))
    above.remove(id(value))
    done.add(id(value))
    return found


def _load(text: str) -> tuple[_Loader | _FastLoader, Any]:
    if _is_shallow(text):
        fast = _FastLoader(text)
        try:
            return fast, fast.get_single_data()
        except yaml.YAMLError:
            pass  # read again below, for words that do not depend on what is installed
    loader = _Loader(text)
    return loader, loader.get_single_data()


def _syntax_fault(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        return f"got the character #x{error.character:04x} at position {error.position}; remove it"
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"not YAML: {error}"
    place = _place(error)
    if isinstance(error, yaml.composer.ComposerError):
        if "single document" in str(error.context):
            return f"{place}got a second document; write one endpoint per file"
        return f"{place}{error.problem}; define an anchor once, before its alias"
    if isinstance(error, yaml.constructor.ConstructorError):
        return f"{place}{error.problem}; use plain text, numbers, lists and mappings"
    return f"{place}not YAML: {error.problem or error.context}; check indentation, colons and quotes"


def _place(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "list"
    return "single text" if isinstance(value, str) else f"single value ({value!r})"
