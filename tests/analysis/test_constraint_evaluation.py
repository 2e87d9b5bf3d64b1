"""The six checks: every outcome, in both dialects."""

from dataclasses import replace

import pytest

from tests.analysis.capture_samples import baseline_of, state_of_columns
from watchkeeper.analysis.constraint_evaluation import Baseline, Dialect, evaluate_constraints
from watchkeeper.analysis.constraint_set import FeatureConstraints, with_overrides
from watchkeeper.analysis.dataset_state import DatasetState
from watchkeeper.analysis.finding import Check, Finding, Outcome

BOTH = pytest.mark.parametrize("dialect", list(Dialect))
SATISFIED, VIOLATED, NOT_EVALUATED = Outcome.SATISFIED, Outcome.VIOLATED, Outcome.NOT_EVALUATED


def only(state: DatasetState, baseline: Baseline, check: Check, dialect: Dialect, feature: str = "x") -> Finding:
    [finding] = [
        finding
        for finding in evaluate_constraints(state, baseline, dialect)
        if finding.check is check and finding.feature == feature
    ]
    return finding


def configured(baseline: Baseline, **config) -> Baseline:
    constraints = baseline.constraints
    return replace(baseline, constraints=replace(constraints, config=replace(constraints.config, **config)))


def constrained(baseline: Baseline, **changes) -> Baseline:
    feature: FeatureConstraints = replace(baseline.constraints.features["x"], **changes)
    return replace(baseline, constraints=replace(baseline.constraints, features={"x": feature}))


NUMBERS = baseline_of(state_of_columns(x=range(1000)))
FRACTIONS = baseline_of(state_of_columns(x=[i / 8 for i in range(1, 8000, 8)]))
COLOURS = baseline_of(state_of_columns(x=["red", "green", "blue"] * 100))


@BOTH
def test_data_types(dialect: Dialect) -> None:
    check = Check.DATA_TYPE
    assert only(state_of_columns(x=range(500)), NUMBERS, check, dialect).outcome is SATISFIED
    broken = only(state_of_columns(x=[*range(250), *["secret"] * 250]), NUMBERS, check, dialect)
    assert (broken.outcome, broken.observed, broken.limit, broken.excess) == (VIOLATED, 0.5, 1.0, 0.5)
    assert "Only 50.0% of data is Integral." in broken.reason
    assert "secret" not in broken.reason
    assert (
        only(state_of_columns(x=[None, None], y=[1, 2]).without(["y"]), NUMBERS, check, dialect).outcome
        is NOT_EVALUATED
    )


@BOTH
def test_whole_numbers_serve_where_fractions_are_expected_but_not_the_other_way_round(dialect: Dialect) -> None:
    whole = state_of_columns(x=range(500))
    assert only(whole, FRACTIONS, Check.DATA_TYPE, dialect).outcome is SATISFIED
    fractions = state_of_columns(x=[0.5] * 500)
    assert only(fractions, NUMBERS, Check.DATA_TYPE, dialect).outcome is VIOLATED


def test_one_odd_value_is_chance_to_the_exact_dialect_only() -> None:
    window = state_of_columns(x=[*range(499), "?"])
    exact, compatible = (
        only(window, NUMBERS, Check.DATA_TYPE, dialect) for dialect in (Dialect.EXACT, Dialect.COMPATIBLE)
    )
    assert (exact.outcome, compatible.outcome) == (SATISFIED, VIOLATED)
    assert "chance" in exact.reason
    assert exact.observed == compatible.observed == 0.998


def test_a_threshold_that_somebody_lowered_is_taken_at_its_word() -> None:
    lowered = configured(NUMBERS, datatype_check_threshold=0.99)
    enough, too_few = state_of_columns(x=[*range(99), "?"]), state_of_columns(x=[*range(98), "?", "?"])
    for dialect in Dialect:
        assert only(enough, lowered, Check.DATA_TYPE, dialect).outcome is SATISFIED
        assert only(too_few, lowered, Check.DATA_TYPE, dialect).outcome is VIOLATED


@pytest.mark.parametrize(
    ("thresholds", "features"),
    [
        ({"datatype_check_threshold": 1.0, "domain_content_threshold": 1.0}, {}),
        ({}, {"x": {"datatype_check_threshold": 1.0, "domain_content_threshold": 1.0}}),
    ],
)
def test_a_threshold_of_everything_that_somebody_wrote_leaves_no_room_for_chance(
    thresholds: dict[str, float], features: dict[str, dict[str, float]]
) -> None:
    numbers, colours = (
        replace(known, constraints=with_overrides(known.constraints, thresholds, features))
        for known in (NUMBERS, COLOURS)
    )
    odd = state_of_columns(x=[*range(499), "?"])
    assert only(odd, numbers, Check.DATA_TYPE, Dialect.EXACT).outcome is VIOLATED
    new = state_of_columns(x=["red", "green", "blue"] * 40 + ["new"])
    assert only(new, colours, Check.CATEGORICAL_VALUES, Dialect.EXACT).outcome is VIOLATED


def test_a_completeness_that_somebody_wrote_leaves_no_room_for_chance() -> None:
    window = state_of_columns(x=[*range(499), None])
    assert only(window, NUMBERS, Check.COMPLETENESS, Dialect.EXACT).outcome is SATISFIED
    stated = with_overrides(NUMBERS.constraints, {}, {"x": {"completeness": 1.0}})
    strict = replace(NUMBERS, constraints=stated)
    assert only(window, strict, Check.COMPLETENESS, Dialect.EXACT).outcome is VIOLATED


def test_numbers_are_strings_to_the_exact_dialect_and_misses_to_the_container() -> None:
    codes = baseline_of(state_of_columns(x=["250.83", "V27", "410"] * 50))
    window = state_of_columns(x=["250.83", "V27", "410"] * 50)
    assert only(window, codes, Check.DATA_TYPE, Dialect.EXACT).outcome is SATISFIED
    compatible = only(window, codes, Check.DATA_TYPE, Dialect.COMPATIBLE)
    assert compatible.outcome is VIOLATED
    assert compatible.observed == pytest.approx(1 / 3)


@BOTH
def test_completeness(dialect: Dialect) -> None:
    check = Check.COMPLETENESS
    assert only(state_of_columns(x=range(100)), NUMBERS, check, dialect).outcome is SATISFIED
    gaps = only(state_of_columns(x=[*range(50), *[None] * 50]), NUMBERS, check, dialect)
    assert (gaps.outcome, gaps.observed, gaps.limit, gaps.excess) == (VIOLATED, 0.5, 1.0, 0.5)
    nothing = only(state_of_columns(x=[None] * 40, y=range(40)).without(["y"]), NUMBERS, check, dialect)
    assert (nothing.outcome, nothing.observed) == (VIOLATED, 0.0)


def test_two_missing_rows_violate_the_container_only() -> None:
    known = baseline_of(state_of_columns(x=[*range(994), *[None] * 6]))
    window = state_of_columns(x=[*range(992), *[None] * 8])
    assert only(window, known, Check.COMPLETENESS, Dialect.COMPATIBLE).outcome is VIOLATED
    assert only(window, known, Check.COMPLETENESS, Dialect.EXACT).outcome is SATISFIED
    set_by_hand = constrained(known, completeness=0.993)
    for dialect in Dialect:
        assert only(window, set_by_hand, Check.COMPLETENESS, dialect).outcome is VIOLATED


@BOTH
def test_categorical_values(dialect: Dialect) -> None:
    check = Check.CATEGORICAL_VALUES
    assert only(state_of_columns(x=["red", "blue"] * 50), COLOURS, check, dialect).outcome is SATISFIED
    strange = only(state_of_columns(x=["red", "secret"] * 50), COLOURS, check, dialect)
    assert (strange.outcome, strange.observed, strange.excess) == (VIOLATED, 0.5, 0.5)
    assert "secret" not in strange.reason
    nothing = state_of_columns(x=[None] * 9, y=range(9)).without(["y"])
    assert only(nothing, COLOURS, check, dialect).outcome is NOT_EVALUATED
    many = state_of_columns(x=[f"secret {i}" for i in range(450)])
    assert only(many, COLOURS, check, dialect).outcome is VIOLATED
    lenient = configured(COLOURS, domain_content_threshold=0.5)
    assert only(many, lenient, check, dialect).outcome is NOT_EVALUATED
    assert only(state_of_columns(x=["red", "secret"] * 50), lenient, check, dialect).outcome is SATISFIED


def test_one_new_value_is_chance_to_the_exact_dialect_only() -> None:
    window = state_of_columns(x=["red", "green", "blue"] * 40 + ["new"])
    assert only(window, COLOURS, Check.CATEGORICAL_VALUES, Dialect.EXACT).outcome is SATISFIED
    assert only(window, COLOURS, Check.CATEGORICAL_VALUES, Dialect.COMPATIBLE).outcome is VIOLATED


@BOTH
def test_numeric_drift(dialect: Dialect) -> None:
    check = Check.BASELINE_DRIFT
    assert only(state_of_columns(x=range(1000)), NUMBERS, check, dialect).outcome is SATISFIED
    moved = only(state_of_columns(x=range(500, 1500)), NUMBERS, check, dialect)
    assert moved.outcome is VIOLATED
    assert moved.observed == pytest.approx(0.5 - 1.8 * (2000 / 1e6) ** 0.5)
    assert moved.reason == f"Baseline drift distance: {moved.observed!r} exceeds threshold: 0.1"
    simple = only(state_of_columns(x=range(500, 1500)), configured(NUMBERS, comparison_method="Simple"), check, dialect)
    assert simple.observed == pytest.approx(0.5)
    assert only(state_of_columns(x=["a"] * 9), NUMBERS, check, dialect).outcome is NOT_EVALUATED
    assert (
        only(state_of_columns(x=range(9)), replace(NUMBERS, statistics=None), check, dialect).outcome is NOT_EVALUATED
    )
    off = evaluate_constraints(state_of_columns(x=range(9)), configured(NUMBERS, perform_comparison=False), dialect)
    assert check not in {finding.check for finding in off}


def test_a_small_window_needs_a_large_distance_unless_the_method_is_simple() -> None:
    window = state_of_columns(x=range(400, 420))
    assert only(window, NUMBERS, Check.BASELINE_DRIFT, Dialect.EXACT).outcome is VIOLATED  # 0.58 - 0.41
    near = state_of_columns(x=range(0, 1000, 100))
    assert only(near, NUMBERS, Check.BASELINE_DRIFT, Dialect.EXACT).outcome is SATISFIED


def test_repeated_values_drift_in_the_exact_dialect_only() -> None:
    before, window = baseline_of(state_of_columns(x=[0] * 900 + [1] * 100)), state_of_columns(x=[0] * 100 + [1] * 900)
    assert only(window, before, Check.BASELINE_DRIFT, Dialect.COMPATIBLE).outcome is SATISFIED
    assert only(window, before, Check.BASELINE_DRIFT, Dialect.EXACT).outcome is VIOLATED


def test_a_changed_type_stops_the_containers_comparison_but_not_the_exact_one() -> None:
    window = state_of_columns(x=[*range(500, 1499), "?"])
    assert only(window, NUMBERS, Check.BASELINE_DRIFT, Dialect.COMPATIBLE).outcome is NOT_EVALUATED
    assert only(window, NUMBERS, Check.BASELINE_DRIFT, Dialect.EXACT).outcome is VIOLATED


@BOTH
def test_categorical_drift(dialect: Dialect) -> None:
    check = Check.BASELINE_DRIFT
    same, moved = state_of_columns(x=["red", "green", "blue"] * 300), state_of_columns(x=["red"] * 900)
    assert only(same, COLOURS, check, dialect).outcome is SATISFIED
    finding = only(moved, COLOURS, check, dialect)
    assert finding.outcome is VIOLATED
    assert finding.observed == pytest.approx(2 / 3 - 1.8 * (1200 / 270_000) ** 0.5)
    assert only(state_of_columns(x=[f"v{i}" for i in range(450)]), COLOURS, check, dialect).outcome is NOT_EVALUATED
    chi = configured(COLOURS, categorical_drift_method="ChiSquared")
    assert only(same, chi, check, dialect).outcome is SATISFIED
    by_chance = only(moved, chi, check, dialect)
    assert by_chance.outcome is VIOLATED
    assert "p-value" in by_chance.reason
    assert only(state_of_columns(x=["red"] * 3), chi, check, dialect).outcome is NOT_EVALUATED


@BOTH
def test_fewer_and_more_fields_are_findings_and_nothing_else_is_judged(dialect: Dialect) -> None:
    before = baseline_of(state_of_columns(x=range(9), y=range(9)))
    for columns, check, name in (
        ({"_c0": range(9)}, Check.MISSING_COLUMN, "Missing columns"),
        ({"_c0": range(9), "_c1": range(9), "_c2": range(9)}, Check.EXTRA_COLUMN, "Extra columns"),
    ):
        found = replace(state_of_columns(**columns), positional=True)
        findings = evaluate_constraints(found, before, dialect)
        [violated] = [finding for finding in findings if finding.outcome is VIOLATED]
        assert (violated.feature, violated.check) == (name, check)
        assert (violated.observed, violated.limit) == (len(columns), 2)
        assert f"current dataset: {len(columns)}, Number of columns in baseline constraints: 2" in violated.reason
        others = [finding for finding in findings if finding is not violated]
        assert {finding.outcome for finding in others} == {NOT_EVALUATED}
        assert {finding.feature for finding in others} == {"x", "y"}
        assert all("columns are not those of the baseline" in finding.reason for finding in others)


@BOTH
def test_named_columns_are_named(dialect: Dialect) -> None:
    before = baseline_of(state_of_columns(x=range(9), y=range(9)))
    findings = evaluate_constraints(state_of_columns(x=range(9), z=range(9)), before, dialect)
    violated = {(finding.feature, finding.check) for finding in findings if finding.outcome is VIOLATED}
    assert violated == {("y", Check.MISSING_COLUMN), ("z", Check.EXTRA_COLUMN)}


@BOTH
def test_a_rare_extra_key_is_told_and_does_not_stop_the_rest(dialect: Dialect) -> None:
    window = state_of_columns(x=range(100), debug=[1, *[None] * 99])
    extra = only(window, NUMBERS, Check.EXTRA_COLUMN, dialect, "debug")
    assert (extra.outcome, extra.observed) == (NOT_EVALUATED, 0.01)
    assert only(window, NUMBERS, Check.DATA_TYPE, dialect).outcome is SATISFIED


@BOTH
def test_positions_are_the_baselines_names_where_they_are_as_many(dialect: Dialect) -> None:
    found = replace(state_of_columns(_c0=["secret"] * 50), positional=True)
    assert only(found, NUMBERS, Check.DATA_TYPE, dialect).outcome is VIOLATED


@BOTH
def test_switched_off_features_are_not_evaluated_and_say_so(dialect: Dialect) -> None:
    off = constrained(NUMBERS, overrides={"evaluate_constraints": False})
    findings = evaluate_constraints(state_of_columns(x=["?"] * 9), off, dialect)
    assert {finding.outcome for finding in findings} == {NOT_EVALUATED}
    assert all("switched off" in finding.reason for finding in findings)


@BOTH
def test_a_column_that_never_had_a_value_demands_nothing(dialect: Dialect) -> None:
    empty = baseline_of(state_of_columns(x=[None] * 9, y=range(9)).without(["y"]))
    findings = evaluate_constraints(state_of_columns(x=["anything"] * 9), empty, dialect)
    assert [(finding.check, finding.outcome) for finding in findings] == [(Check.COMPLETENESS, SATISFIED)]


@BOTH
def test_a_baseline_satisfies_itself(dialect: Dialect) -> None:
    columns = {
        "x": [i / 8 for i in range(1, 900)],
        "c": ["red", "blue", "green"] * 299 + ["red", None],
        "b": ["true"] * 899,
    }
    state = state_of_columns(**columns)
    findings = evaluate_constraints(state, baseline_of(state), dialect)
    assert {finding.outcome for finding in findings} == {SATISFIED}
    assert {finding.check for finding in findings} == {
        Check.DATA_TYPE,
        Check.COMPLETENESS,
        Check.CATEGORICAL_VALUES,
        Check.BASELINE_DRIFT,
    }
