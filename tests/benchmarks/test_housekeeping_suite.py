"""What is measured of housekeeping is what the page says. Never speed."""

from pathlib import Path

from benchmarks.housekeeping import FolderClient, compact, make_files, make_ledger, predict
from watchkeeper.aws.object_store import ObjectStore


def test_the_measured_month_is_put_together_whole(tmp_path: Path) -> None:
    assert make_ledger(tmp_path, 7, 2) == 7 * 25 * 2
    days, rows, _ = compact(tmp_path)
    assert (days, rows) == (2, 7 * 25 * 2)
    store = ObjectStore("bench", "wk", FolderClient(tmp_path))  # type: ignore[arg-type]
    assert len(list(store.list("ledger/"))) == 2


def test_the_measured_fleet_has_ceilings_that_steps_keep(tmp_path: Path) -> None:
    make_files(tmp_path, 3, 40)
    count, usd = predict(tmp_path)
    assert count == 3
    assert 0 < usd < 3 * 9
