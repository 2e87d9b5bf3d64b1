"""Applications for a mortgage in Boston, 1990, and who was lent to: ``sandbox/data/README.md`` says from where.

A model sees an application and says how probably the bank's own officers would approve it, which they do or do not
some hours later. The order of the source is no order in time: 800 applications are put into the weeks that the model
is trained on, the others into three days.
"""

from datetime import UTC, datetime

import polars as pl

from sandbox.traffic.record_table import DATA, spread_over_day

INPUTS = (
    "race",
    "sex",
    "income_thousands",
    "debt_percent",
    "housing_percent",
    "loan_to_value",
    "unemployment_percent",
    "dependents",
    "self_employed",
    "schooled",
    "no_mortgage_history",
    "credit_guidelines_met",
    "bankrupt",
    "cosigned",
    "unverified",
)
TARGET = "approved"
OUTPUT = "approval_probability"
TRAINED = datetime(1990, 4, 3, tzinfo=UTC)
STARTS = datetime(1990, 7, 3, tzinfo=UTC)
_TRAINING_ROWS = 800
_TRAINING_DAYS = 80
_DAYS = 3


def applications() -> pl.DataFrame:
    """Return the applications by the moment at which they are made: ``at``, ``known_at``, inputs and ``approved``."""
    table = pl.read_csv(DATA / "mortgage_applications.csv").with_row_index("number")
    shuffled = table.sort(pl.col("number").cast(pl.Int64) * 48_271 % 65_521)
    past, live = shuffled[:_TRAINING_ROWS], shuffled[_TRAINING_ROWS:]
    parts = [
        spread_over_day(rows.gather_every(days, day), start, day, range(13, 22))
        for rows, start, days in ((past, TRAINED, _TRAINING_DAYS), (live, STARTS, _DAYS))
        for day in range(days)
    ]
    made = pl.concat(parts).sort("at", "number")
    # An officer decides between two hours later and the next morning.
    hours = 2 + pl.col("number").cast(pl.Int64) % 12
    return made.with_columns(known_at=pl.col("at") + pl.duration(hours=hours)).select("at", "known_at", *INPUTS, TARGET)
