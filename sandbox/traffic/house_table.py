"""Houses of Ames, Iowa, and what they were sold for, 2006 to 2010: ``sandbox/data/README.md`` says from where.

A model sees a house as its owner describes it, and says for how much it will sell. The sales of 2006 and 2007 are where
the whole town's model comes from; the agency that asks works in the north and west of the town. Its requests of
2008 are the baseline. Those of 2009 and of 2010 are put into one day each; on the third, a lender has houses valued
that lie everywhere else and are all of a size. Prices are facts of their month; the minutes are ours.
"""

from datetime import UTC, datetime

import polars as pl

from sandbox.traffic.record_table import DATA, spread_over_day

INPUTS = ("location", "size_sqft", "lot_sqft", "condition", "baths", "garage_cars")
TARGET = "price_thousands"
OUTPUT = "predicted_price_thousands"
STARTS = datetime(2010, 8, 3, tzinfo=UTC)
SERVED = ("North_Ames", "Northwest_Ames", "Sawyer", "Sawyer_West", "Mitchell", "Northpark_Villa")
ALIKE = (1200, 1650)
"""Square feet of the lender's houses: of the agency's, half are smaller or larger."""


def houses() -> pl.DataFrame:
    """Return the houses by the moment at which the model is asked: ``at``, ``known_at`` (never), inputs and price."""
    sales = pl.read_csv(DATA / "house_sales.csv").with_row_index("number")
    year, served = pl.col("year_sold"), pl.col("location").is_in(SERVED)
    in_month = pl.datetime(year, pl.col("month_sold"), 1, time_zone="UTC") + pl.duration(
        minutes=pl.col("number").cast(pl.Int64) * 7919 % (28 * 24 * 60)
    )
    past = sales.filter((year < 2008) | ((year == 2008) & served)).with_columns(at=in_month)
    days = (
        sales.filter((year == 2009) & served),
        sales.filter((year == 2010) & served),
        sales.filter((year >= 2008) & ~served & pl.col("size_sqft").is_between(*ALIKE)),
    )
    live = [spread_over_day(rows, STARTS, day, range(13, 23)) for day, rows in enumerate(days)]
    return (
        pl.concat([past, *live])
        .sort("at", "number")
        .with_columns(known_at=pl.lit(None, pl.Datetime("us", "UTC")))
        .select("at", "known_at", *INPUTS, TARGET)
    )
