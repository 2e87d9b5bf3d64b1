"""CSV payloads to columns: at once where they are uniform, row by row where they are not."""

import csv
import sys

import polars as pl

from watchkeeper.analysis.capture_records import PayloadError, Rows
from watchkeeper.analysis.line_blocks import BYTE_ORDER_MARK
from watchkeeper.analysis.text_scan import count_of, is_tidy

# The csv module refuses fields over 131,072 characters unless told otherwise, for the whole process, and what is not
# quoted never passes through it. A payload is in memory already: a field cannot be too long here.
csv.field_size_limit(sys.maxsize)


class UniformRows:
    """Rows of many payloads that all have equally many fields, as a frame of raw text."""

    def __init__(self, frame: pl.DataFrame, rows_per_payload: list[int] | None, *, tidy: bool) -> None:
        self.frame = frame
        self.rows_per_payload = rows_per_payload  # None: one each
        self.tidy = tidy


def parse_uniform(payloads: list[str]) -> UniformRows | None:
    """Return the rows of all payloads, or ``None`` when they need a look one by one.

    That is the case for quotes, blank rows, and rows of different lengths. polars pads short rows with nulls, which
    would shift nothing visibly but everything in truth, so fields are counted: it refuses longer rows, and the total
    number of commas then leaves no room for shorter ones.
    """
    text = "\n".join(payloads)
    rows_per_payload: list[int] | None = None
    if _each_ends_its_line(text, payloads):
        text = text.replace("\n\n", "\n").removesuffix("\n")
    data = text.encode()
    if b"\r" in data or count_of(data, "\n") != len(payloads) - 1:
        payloads = [payload.replace("\r\n", "\n").strip("\n") for payload in payloads]
        data = "\n".join(payloads).encode()
        if count_of(data, "\n") != len(payloads) - 1:
            rows_per_payload = [payload.count("\n") + 1 for payload in payloads]
    if not data or b'"' in data or b"\r" in data or data[:1] == b"\n" or data[-1:] == b"\n":
        return None
    width = data.partition(b"\n")[0].count(b",") + 1
    # polars would swallow a byte order mark. Where rows have several fields, a blank one shows by its lack of commas.
    if data.startswith(BYTE_ORDER_MARK) or (width == 1 and b"\n\n" in data):
        return None
    rows = sum(rows_per_payload) if rows_per_payload else len(payloads)
    if count_of(data, ",") != rows * (width - 1):
        return None
    schema = {str(position): pl.String for position in range(width)}
    try:
        frame = pl.read_csv(data, has_header=False, schema=schema, quote_char=None, rechunk=True)
    except pl.exceptions.ComputeError:
        return None
    if len(frame) != rows:
        return None
    return UniformRows(frame, rows_per_payload, tidy=is_tidy(data))


def _each_ends_its_line(text: str, payloads: list[str]) -> bool:
    """Whether every payload is one line with its end, as most endpoints answer: told from the joined text."""
    gaps = len(payloads) - 1
    return (
        text.endswith("\n")
        and "\r" not in text
        and text.count("\n\n") == gaps
        and text.count("\n") == 2 * gaps + 1
        and all(payloads)
    )


def parse_csv(text: str) -> Rows:
    """Return the rows of one payload.

    Raises
    ------
    PayloadError
        when there is no row, or a quoted field does not end.
    """
    if not text:
        message = "an empty payload"
        raise PayloadError(message)
    if '"' not in text:
        lines = text.replace("\r\n", "\n").strip("\n").split("\n")
        return Rows(fields=[[value or None for value in line.split(",")] for line in lines])
    # Line ends stay on: they may be part of a quoted field.
    quoted = (line + "\n" for line in text.strip("\r\n").split("\n"))
    try:
        parsed = [[value or None for value in row] or [None] for row in csv.reader(quoted, strict=True)]
    except csv.Error as error:
        message = f"broken CSV quoting ({error})"
        raise PayloadError(message) from error
    return Rows(fields=parsed)
