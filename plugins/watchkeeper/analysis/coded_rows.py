"""Rows of any values as rows of whole numbers: what shap handles, where models want the values themselves."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Codes = NDArray[np.int64]


class CodedRows:
    """The codes of some frames' values, column by column: equal values have equal codes, and every code a value.

    Within a column codes go 0, 1, 2, … in the values' order, a missing value first.
    """

    def __init__(self, *frames: pl.DataFrame) -> None:
        joined = pl.concat(frames, how="vertical_relaxed")
        self.names = tuple(joined.columns)
        self._values = [series.unique().sort(nulls_last=False) for series in joined.get_columns()]

    def encode(self, frame: pl.DataFrame) -> Codes:
        """Return (rows × columns) of codes; every value must be of the frames given."""
        out = np.empty(frame.shape, np.int64)
        for position, (series, values) in enumerate(zip(frame.get_columns(), self._values, strict=True)):
            known = pl.DataFrame({"value": values, "code": np.arange(len(values), dtype=np.int64)})
            asked = pl.DataFrame({"value": series.cast(values.dtype)})
            joined = asked.join(known, on="value", how="left", nulls_equal=True, maintain_order="left")
            out[:, position] = joined["code"].to_numpy()
        return out

    def decode(self, codes: Codes) -> pl.DataFrame:
        """Return the rows that ``codes`` (rows × columns) stand for, in the frames' names and types."""
        columns = [
            values.gather(codes[:, position]).alias(name)
            for position, (name, values) in enumerate(zip(self.names, self._values, strict=True))
        ]
        return pl.DataFrame(columns)

    def distinct(self, codes: Codes) -> tuple[Codes, NDArray[np.int64]]:
        """Return the different rows of ``codes``, and for each row which of them it is."""
        sizes = [len(values) for values in self._values]
        # One number for each row where they are few enough; sorting numbers is many times quicker than sorting rows.
        if np.prod([float(size) for size in sizes]) < 2.0**62:
            keys: NDArray[Any] = np.zeros(len(codes), np.int64)
            for position, size in enumerate(sizes):
                keys = keys * size + codes[:, position]
        else:
            rows = np.ascontiguousarray(codes)
            keys = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
        _, first, which = np.unique(keys, return_index=True, return_inverse=True)
        return codes[first], which.ravel()
