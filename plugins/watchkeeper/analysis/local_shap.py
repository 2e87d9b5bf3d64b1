"""Local attributions as they are kept: why the model answered this row as it did, found by the row's id."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from watchkeeper.analysis.attribution_sample import SampledRows
from watchkeeper.analysis.explanation import Explanation
from watchkeeper.errors import DocumentError


@dataclass(frozen=True)
class LocalAttribution:
    """What one answer to one row is made of, for one label: ``expected_value`` plus all ``shap_values``."""

    event_id: str | None
    row_number: int
    inference_id: str | None
    inference_time: str | None
    label: str
    expected_value: float
    shap_values: Mapping[str, float]

    @property
    def prediction(self) -> float:
        """The answer that is explained, in the unit of the attributions."""
        return self.expected_value + sum(self.shap_values.values())

    @property
    def drivers(self) -> list[tuple[str, float]]:
        """Features with their attributions, the strongest first."""
        return sorted(self.shap_values.items(), key=lambda item: -abs(item[1]))


def encode_local_shap(
    sampled: SampledRows, explanation: Explanation, label_headers: Sequence[str] | None = None
) -> bytes:
    """Return Parquet: a line for each row and label, sorted by event id, row and label.

    Columns are event_id, row_number, inference_id, inference_time, label, expected_value, and shap_values, a structure
    with a number for each feature. Equal input gives equal bytes.
    """
    headers = label_headers or [f"label{label}" for label in range(explanation.label_count)]
    frames = []
    for label, header in enumerate(headers):
        values = pl.from_numpy(explanation.values[:, :, label], schema=list(explanation.features))
        frames.append(
            pl.DataFrame(
                {
                    "event_id": pl.Series(sampled.event_ids, dtype=pl.String),
                    "row_number": pl.Series(sampled.row_numbers, dtype=pl.Int64),
                    "inference_id": pl.Series(sampled.inference_ids, dtype=pl.String),
                    "inference_time": pl.Series(sampled.inference_times, dtype=pl.String),
                    "label": pl.Series([header] * len(values), dtype=pl.String),
                    "expected_value": pl.Series([float(explanation.expected_values[label])] * len(values)),
                    "shap_values": values.to_struct(),
                }
            )
        )
    buffer = io.BytesIO()
    ordered = pl.concat(frames).sort("event_id", "row_number", "label", maintain_order=True)
    ordered.write_parquet(buffer, row_group_size=10_000)
    return buffer.getvalue()


def find_local_shap(
    source: bytes | Path,
    *,
    event_id: str | None = None,
    inference_id: str | None = None,
    name: str = "local_shap.parquet",
) -> list[LocalAttribution]:
    """Return the attributions of an event's rows, by row and label; none where the event was not sampled.

    Raises
    ------
    ValueError
        unless one of the two ids is given.
    DocumentError
        when the source holds no local attributions.
    """
    if (event_id is None) == (inference_id is None):
        message = "give an event_id or an inference_id, and not both"
        raise ValueError(message)
    column, wanted = ("event_id", event_id) if event_id is not None else ("inference_id", inference_id)
    try:
        lazy = pl.scan_parquet(io.BytesIO(source) if isinstance(source, bytes) else source)
        found = lazy.filter(pl.col(column) == wanted).collect()
        return [LocalAttribution(**line) for line in found.iter_rows(named=True)]
    except (pl.exceptions.PolarsError, TypeError, OSError) as error:
        remedy = "Expected the Parquet file that an explainability run wrote"
        raise DocumentError(name, f"it cannot be read ({type(error).__name__})", remedy) from error
