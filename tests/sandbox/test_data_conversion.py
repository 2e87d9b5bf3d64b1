"""The sandbox's own tables: the converter unpickles data frames and nothing else, and the tables are whole."""

import importlib.util
import io
import os
import pickle
from types import ModuleType

import polars as pl
import pytest

from tests.sandbox_process import ROOT


def converter() -> ModuleType:
    path = ROOT / "tools" / "convert_sandbox_data.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Command:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("exit 1",)


def test_a_pickle_that_runs_a_command_is_refused() -> None:
    with pytest.raises(pickle.UnpicklingError, match="system is no part of a data frame"):
        converter().FrameUnpickler(io.BytesIO(pickle.dumps(Command()))).load()


@pytest.mark.parametrize(("name", "rows", "columns"), [("house_sales", 2930, 9), ("mortgage_applications", 1969, 16)])
def test_tables_are_whole(name: str, rows: int, columns: int) -> None:
    path = ROOT / "sandbox" / "data" / f"{name}.csv"
    table = pl.read_csv(path)
    assert table.shape == (rows, columns)
    assert sum(table.null_count().row(0)) == 0
    assert path.stat().st_size < 150_000
