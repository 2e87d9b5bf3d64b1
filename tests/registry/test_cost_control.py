"""A registry under its ceilings: only those with one are looked at, and faulty prices stop nobody's watch."""

from pathlib import Path

import pytest
import yaml

from watchkeeper.registry.cost_control import cost_basis, under_ceilings
from watchkeeper.registry.cost_degradation import CostBasis
from watchkeeper.registry.registry_files import load_registry

INCLUDE = Path(__file__).parents[2] / "include"


def write(folder: Path, name: str, **sections: object) -> None:
    document = {
        "endpoint_name": name,
        "owner": "me",
        "capture": {"s3_uri": "s3://bucket/x"},
        "monitors": {"data_quality": {"publish_feature_metrics": True}},
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(document | sections), encoding="utf-8")


def test_who_has_no_ceiling_needs_no_prices(tmp_path: Path) -> None:
    write(tmp_path, "free")
    registry = load_registry(tmp_path)

    def unread() -> CostBasis:
        raise AssertionError

    assert under_ceilings(registry, unread).registry is registry


def test_each_endpoint_is_as_its_own_ceiling_leaves_it(tmp_path: Path) -> None:
    rules = {"ceiling_usd_per_month": 1, "on_exceed": "refuse", "degrade": ["roll_up_metrics"]}
    write(tmp_path, "dear", cost=rules)
    write(tmp_path, "free")
    registry = load_registry(tmp_path)
    control = under_ceilings(registry, lambda: cost_basis(INCLUDE, "us-east-1"))
    assert control.registry.problems == ()
    assert control.registry.endpoints["free"] is registry.endpoints["free"]
    dear = control.registry.require("dear")
    assert dear.cost is not None
    assert dear.cost.roll_up_metrics
    told = control.refusal("dear")
    assert told is not None
    assert "over the ceiling of 1.00" in told
    assert control.refusal("free") is None


@pytest.mark.parametrize("faulty", ["prices.yaml", "fleet.yaml"])
def test_faulty_prices_are_told_and_the_watch_goes_on(tmp_path: Path, faulty: str) -> None:
    write(tmp_path, "dear", cost={"ceiling_usd_per_month": 1})
    include = tmp_path / "include"
    include.mkdir()
    (include / "prices.yaml").write_text((INCLUDE / "prices.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (include / faulty).write_text("nonsense: 1\n", encoding="utf-8")
    registry = load_registry(tmp_path)
    control = under_ceilings(registry, lambda: cost_basis(include))
    assert control.registry.endpoints == registry.endpoints
    assert any(faulty in problem and "no ceiling" in problem for problem in control.registry.problems)
