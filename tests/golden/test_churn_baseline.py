"""The telecom-churn baseline of AWS's sample notebook: our documents against the container's, number for number."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.constraint_set import decode_constraints, encode_constraints
from watchkeeper.analysis.constraint_suggestion import suggest_constraints
from watchkeeper.analysis.dataset_profile import profile_csv
from watchkeeper.analysis.dataset_state import DatasetState
from watchkeeper.analysis.dataset_statistics import decode_statistics, encode_statistics, statistics_of

NEWER_FIELDS = {"approximate_num_distinct_values", "completeness"}
NEWER_CONFIG = {"categorical_comparison_threshold", "categorical_drift_method"}
TRUNCATED = "LOG-TRUNCATED"


@pytest.fixture(scope="module")
def state(churn: Path) -> DatasetState:
    return profile_csv([CaptureFile("training", [(churn / "training-dataset-with-header.csv").read_bytes()])])


@pytest.fixture(scope="module")
def written(state: DatasetState) -> dict[str, Any]:
    return json.loads(encode_statistics(statistics_of(state)))


@pytest.fixture(scope="module")
def printed(churn: Path) -> dict[str, Any]:
    return json.loads((churn / "statistics_partial.json").read_bytes())


def test_the_constraints_are_the_containers(churn: Path, state: DatasetState) -> None:
    real = json.loads((churn / "constraints.json").read_bytes())
    ours = json.loads(encode_constraints(suggest_constraints(statistics_of(state))))
    assert len(real["features"]) == 70
    assert ours["features"] == real["features"]
    assert [list(feature) for feature in ours["features"]] == [list(feature) for feature in real["features"]]
    assert list(ours) == list(real)
    comparison = ours["monitoring_config"]["distribution_constraints"]
    assert set(comparison) - set(real["monitoring_config"]["distribution_constraints"]) == NEWER_CONFIG
    ours["monitoring_config"]["distribution_constraints"] = {
        key: value for key, value in comparison.items() if key not in NEWER_CONFIG
    }
    assert ours["monitoring_config"] == real["monitoring_config"]
    assert list(ours["monitoring_config"]) == list(real["monitoring_config"])


def test_the_containers_constraints_decode_to_what_we_suggest(churn: Path, state: DatasetState) -> None:
    assert decode_constraints((churn / "constraints.json").read_bytes()) == suggest_constraints(statistics_of(state))


def test_every_printed_feature_is_equal_bit_for_bit(printed: dict[str, Any], written: dict[str, Any]) -> None:
    ours = {feature["name"]: feature for feature in written["features"]}
    whole = cut = 0
    for real in printed["features"]:
        name = real["name"]
        found = ours[name]
        assert found["inferred_type"] == real["inferred_type"], name
        theirs, mine = real["numerical_statistics"], found["numerical_statistics"]
        assert [key for key in mine if key not in NEWER_FIELDS] == list(theirs), name
        for key in set(theirs) - {"distribution"}:
            assert mine[key] == theirs[key], (name, key)
        kll, my_kll = theirs["distribution"]["kll"], mine["distribution"]["kll"]
        assert my_kll["buckets"] == kll["buckets"], name
        assert my_kll["sketch"]["parameters"] == kll["sketch"]["parameters"]
        if kll["sketch"]["data"] == TRUNCATED:
            cut += 1
        else:
            whole += 1
            assert my_kll["sketch"]["data"] == kll["sketch"]["data"], name
    assert (whole, cut) == (29, 4)
    assert written["dataset"] == printed["dataset"] == {"item_count": 2333}
    assert [feature["name"] for feature in written["features"]][:33] == [real["name"] for real in printed["features"]]


def test_the_printed_statistics_decode_to_our_sketches(printed: dict[str, Any], state: DatasetState) -> None:
    whole = [f for f in printed["features"] if TRUNCATED not in json.dumps(f["numerical_statistics"])]
    document = json.dumps({**printed, "features": whole}).encode()
    theirs, ours = decode_statistics(document), statistics_of(state)
    assert theirs.row_count == 2333
    for name, feature in theirs.features.items():
        numbers, mine = feature.numerical, ours.features[name].numerical
        assert numbers is not None
        assert mine is not None
        assert numbers.distinct_count is None  # not in documents of 2021
        assert (numbers.mean, numbers.total, numbers.standard_deviation) == (
            mine.mean,
            mine.total,
            mine.standard_deviation,
        )
        assert numbers.quantiles is not None
        assert mine.quantiles is not None
        assert [level.tolist() for level in numbers.quantiles.levels] == [
            level.tolist() for level in mine.quantiles.levels
        ]


def test_blocks_of_any_size_give_the_same_bytes(churn: Path, state: DatasetState) -> None:
    data = (churn / "training-dataset-with-header.csv").read_bytes()
    chunks = [data[start : start + 1009] for start in range(0, len(data), 1009)]
    again = profile_csv([CaptureFile("training", chunks)], block_bytes=20_000)
    assert encode_statistics(statistics_of(again)) == encode_statistics(statistics_of(state))


def test_a_mean_is_the_sum_by_the_count(written: dict[str, Any]) -> None:
    for feature in written["features"]:
        numbers = feature["numerical_statistics"]
        assert numbers["mean"] == numbers["sum"] / numbers["common"]["num_present"]
        assert math.isclose(sum(b["count"] for b in numbers["distribution"]["kll"]["buckets"]), 2333, rel_tol=0.01)
