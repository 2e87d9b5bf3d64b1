"""Errors in logs, grouped by what they say: numbers, ids and quoted values are taken out of the message.

What is taken out may be a caller's data, so a pattern can be told where a message may not.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

import msgspec

ErrorKind = Literal["exception", "error", "failed"]
#: A pattern's longest length in characters.
PATTERN_LENGTH: Final = 200
#: No more of a line is looked at: a line of a log may be a megabyte.
_READ_LENGTH: Final = 2000
#: What a group keeps of streams and of inference ids: the first of each, in order.
NAMES_KEPT: Final = 5
#: CloudWatch's filter pattern that every line of interest matches: an expression saves reading all others.
FILTER_PATTERN: Final = "%[Ee]rror|ERROR|[Ee]xception|EXCEPTION|[Ff]ail|FAIL|[Ff]atal|FATAL|CRITICAL|Traceback%"

_TRACEBACK = "Traceback (most recent call last)"
_HARMLESS = re.compile(r"\b(?:no|0|zero|without)\s+(?:error|exception|failure|failed|fail)s?\b", re.IGNORECASE)
_KINDS: tuple[tuple[ErrorKind, re.Pattern[str]], ...] = (
    ("exception", re.compile(r"Traceback|[Ee]xception|EXCEPTION|\b[A-Z]\w*Error\b")),
    ("error", re.compile(r"\b[Ee]rror|ERROR|\b[Ff]atal\b|\bFATAL\b|\bCRITICAL\b")),
    ("failed", re.compile(r"\b[Ff]ail(?:ed|ure|ing)?\b|\bFAIL(?:ED|URE)?\b")),
)
_MASKS = (
    (re.compile(r"\{[^{}]*\}|\[[^\[\]]*[,:=][^\[\]]*\]"), "<values>"),
    (re.compile(r"(?<!\w)'[^']*'(?!\w)|(?<!\w)\"[^\"]*\"(?!\w)|(?<!\w)b'[^']*'"), "<text>"),
    (re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?"), "<time>"),
    (re.compile(r"(?:s3|https?|file)://[^\s<>]+"), "<address>"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[a-fA-F]*\d)[0-9a-fA-F]{8,}\b"), "<hex>"),
    (re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]+\b"), "<address>"),
    (re.compile(r"(?<![\w.-])[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?(?![\w-])"), "<number>"),
    (re.compile(r"\b(?=[\w-]*\d)\w+(?:-\w+)+\b"), "<id>"),
    (re.compile(r"\d+"), "<number>"),
)
_SPACE = re.compile(r"\s+")
_INFERENCE_ID = re.compile(r"inference[ _-]?id[\"']?\s*[:= ]\s*[\"']?([A-Za-z0-9][A-Za-z0-9_.:-]{0,63})", re.IGNORECASE)


class LogLine(msgspec.Struct, frozen=True):
    """One line of a log: when it was written (UTC), to which stream, and its text."""

    at: datetime
    stream: str
    message: str


class ErrorGroup(msgspec.Struct, frozen=True, kw_only=True):
    """All lines of one pattern. ``streams`` and ``inference_ids`` hold the first few, in order of their names."""

    pattern: str
    kind: ErrorKind
    count: int
    first_seen: datetime
    last_seen: datetime
    streams: tuple[str, ...] = ()
    inference_ids: tuple[str, ...] = ()

    def __add__(self, other: "ErrorGroup") -> "ErrorGroup":
        """Return both groups as one; they are of one pattern."""
        return ErrorGroup(
            pattern=self.pattern,
            kind=self.kind,
            count=self.count + other.count,
            first_seen=min(self.first_seen, other.first_seen),
            last_seen=max(self.last_seen, other.last_seen),
            streams=_first(self.streams + other.streams),
            inference_ids=_first(self.inference_ids + other.inference_ids),
        )


class ErrorScan(msgspec.Struct, frozen=True, kw_only=True):
    """What a look through a log found in ``[start, end)``; ``is_complete`` is false if reading stopped early."""

    log_group: str
    start: datetime
    end: datetime
    is_complete: bool
    groups: tuple[ErrorGroup, ...] = ()

    @property
    def error_count(self) -> int:
        """How many lines tell of errors."""
        return sum(group.count for group in self.groups)


def error_kind(message: str) -> ErrorKind | None:
    """Return what a line tells of, the gravest first; ``None`` for a line that tells of no error."""
    told = _HARMLESS.sub("", message)
    return next((kind for kind, expression in _KINDS if expression.search(told)), None)


def log_pattern(message: str) -> str:
    """Return what a message says without numbers, ids, times, addresses, quoted values and collections.

    Of a traceback it is the last line, which names the exception; of other messages the first that tells of an error.
    At most 200 characters; the pattern of a pattern is itself.
    """
    text = _telling_line(message)[:_READ_LENGTH]
    while (masked := _masked(text)) != text:
        text = masked
    return text


def inference_ids(message: str) -> tuple[str, ...]:
    """Return the inference ids that a message names, in order, each once."""
    return tuple(dict.fromkeys(_INFERENCE_ID.findall(message)))


def group_errors(lines: Iterable[LogLine]) -> dict[str, ErrorGroup]:
    """Return the lines that tell of errors in groups by their pattern; others are left out."""
    groups: dict[str, ErrorGroup] = {}
    for line in lines:
        kind = error_kind(line.message)
        if kind is not None:
            pattern = log_pattern(line.message)
            group = ErrorGroup(
                pattern=pattern,
                kind=kind,
                count=1,
                first_seen=line.at,
                last_seen=line.at,
                streams=(line.stream,) if line.stream else (),
                inference_ids=_first(inference_ids(line.message)),
            )
            groups[pattern] = groups[pattern] + group if pattern in groups else group
    return groups


def most_frequent(groups: Iterable[ErrorGroup]) -> tuple[ErrorGroup, ...]:
    """Return groups by their count, the largest first, then by pattern."""
    return tuple(sorted(groups, key=lambda group: (-group.count, group.pattern)))


def _telling_line(message: str) -> str:
    lines = [line for line in message.splitlines() if line.strip()] or [""]
    if _TRACEBACK in message:
        return lines[-1]
    return next((line for line in lines if error_kind(line) is not None), lines[0])


def _masked(text: str) -> str:
    for expression, mask in _MASKS:
        text = expression.sub(mask, text)
    text = _SPACE.sub(" ", text).strip()
    return text if len(text) <= PATTERN_LENGTH else f"{text[: PATTERN_LENGTH - 1].rstrip()}…"


def _first(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(names))[:NAMES_KEPT])
