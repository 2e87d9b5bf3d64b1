"""Laws of the difference: applied, nothing is left; nobody else's thing is touched; told and stored without loss."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.aws.owner_mark import OwnerMark
from watchkeeper.aws.resource_place import ResourcePlace
from watchkeeper.aws.resource_plan import (
    KINDS,
    SETTINGS,
    FoundResource,
    Resource,
    ResourcePlan,
    compare,
    differences,
    make_order,
)
from watchkeeper.errors import DocumentError

OURS, THEIRS = "bucket/wk", "bucket/other"
PLACES = (ResourcePlace(), ResourcePlace("other", "eu-west-1", "arn:aws:iam::123456789012:role/r"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)
BODIES = st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON, max_size=3)
KEYS = st.tuples(st.sampled_from(KINDS), st.sampled_from("pqrs"), st.sampled_from(PLACES))


@st.composite
def desired_and_found(draw):
    wanted = draw(st.dictionaries(KEYS, BODIES, max_size=6))
    there = draw(st.dictionaries(KEYS, st.tuples(BODIES, st.sampled_from([OURS, THEIRS, None])), max_size=6))
    return (
        [Resource(kind, name, f"e-{name}", body, place) for (kind, name, place), body in wanted.items()],
        [
            FoundResource(kind, name, f"e-{name}", body, owner, place)
            for (kind, name, place), (body, owner) in there.items()
        ],
    )


def applied(found, changes):
    """Return what AWS holds after the changes: the simplest AWS there is."""
    there = {one.key: one for one in found}
    for change in changes:
        key = change.kind, str(change.place), change.name
        if change.action == "prune":
            del there[key]
        elif change.action != "conflict":
            there[key] = FoundResource(change.kind, change.name, change.scope, change.body, OURS, change.place)
    return list(there.values())


@given(desired_and_found())
def test_after_applying_nothing_is_left_but_conflicts(case):
    desired, found = case
    first = compare(desired, found, OURS)
    again = compare(desired, applied(found, first.changes), OURS)
    assert {change.action for change in again.changes} <= {"conflict"}
    assert {change.name for change in again.changes} == {
        change.name for change in first.changes if change.action == "conflict"
    }


@given(desired_and_found())
def test_nothing_of_anybody_else_is_touched(case):
    desired, found = case
    changes = compare(desired, found, OURS).changes
    after = {one.key: one for one in applied(found, changes)}
    for one in found:
        if one.owner != OURS and one.kind not in SETTINGS:
            assert after[one.key] == one
        if one.kind in SETTINGS:
            assert one.key in after


@given(desired_and_found())
def test_each_thing_is_changed_once_or_as_declared(case):
    desired, found = case
    difference = compare(desired, found, OURS)
    changed = [(change.kind, str(change.place), change.name) for change in difference.changes]
    assert len(changed) == len(set(changed))
    made = {key for key, change in zip(changed, difference.changes, strict=True) if change.action != "prune"}
    assert made | {one.key for one in difference.unchanged} == {one.key for one in desired}
    assert not made & {one.key for one in difference.unchanged}


@given(desired_and_found(), st.frozensets(st.sampled_from(["e-p", "e-q", "r"])))
def test_what_is_held_is_never_pruned(case, held):
    desired, found = case
    pruned = [change for change in compare(desired, found, OURS, held).changes if change.action == "prune"]
    assert not [change for change in pruned if change.scope in held or change.name in held]


@given(desired_and_found())
def test_a_plan_is_read_as_it_was_written(case):
    plan = ResourcePlan(
        "run", OURS, "2026-11-25T03:30:00Z", compare(*case, OURS).changes, {"dashboard": 2}, ("n",), ("f",), {"c": "1"}
    )
    again = ResourcePlan.decoded(plan.encoded(), "plan")
    assert again.encoded() == plan.encoded()
    assert again.changes == plan.changes or json.loads(again.encoded()) == json.loads(plan.encoded())
    assert again.text() == plan.text()


@given(JSON, JSON)
def test_fields_differ_just_where_values_do(before, after):
    found = list(differences(before, after))
    assert (not found) == (before == after) or _only_none(before, after)
    assert all(change.before != change.after for change in found)


def _only_none(before, after):
    """An absent field and one of nothing are the same to AWS."""

    def bare(value):
        if isinstance(value, dict):
            return {key: bare(item) for key, item in value.items() if bare(item) not in (None, {})}
        return [bare(item) for item in value] if isinstance(value, list) else value

    return bare(before) == bare(after)


def test_what_refers_to_others_is_made_after_them_and_pruned_before():
    desired = [Resource(kind, kind, "e", {}) for kind in KINDS]
    made = sorted(compare(desired, [], OURS).changes, key=make_order)
    assert [change.kind for change in made] == list(KINDS)
    found = [FoundResource(kind, kind, "e", {}, OURS) for kind in KINDS]
    pruned = sorted(compare([], found, OURS).changes, key=make_order)
    assert [change.kind for change in pruned] == [kind for kind in reversed(KINDS) if kind not in SETTINGS]


def test_a_plan_is_told_scope_by_scope_with_every_field():
    desired = [
        Resource("metric_alarm", "wk/a/v/x", "a", {"Threshold": 90.0, "Dimensions": [{"Name": "n"}]}),
        Resource("dashboard", "wk-b", "b", {"widgets": []}),
        Resource("metric_alarm", "wk/c/v/x", "c", {}),
    ]
    found = [
        FoundResource("metric_alarm", "wk/a/v/x", "a", {"Threshold": 80.0, "Dimensions": [{"Name": "m"}]}, OURS),
        FoundResource("metric_alarm", "wk/c/v/x", "c", {}, None),
        FoundResource("metric_alarm", "wk/b/v/gone", "b", {}, OURS, PLACES[1]),
    ]
    plan = ResourcePlan("r1", OURS, "2026-11-25T03:30:00Z", compare(desired, found, OURS).changes, notes=("left",))
    assert plan.text() == (
        "Plan r1 of bucket/wk, made 2026-11-25T03:30:00Z\n"
        "1 to create, 1 to change, 1 to prune, 1 conflicts, 0 as declared\n"
        "\n"
        "a\n"
        "  ~ change metric_alarm wk/a/v/x\n"
        "      Dimensions[0].Name: m -> n\n"
        "      Threshold: 80.0 -> 90.0\n"
        "\n"
        "b\n"
        "  + create dashboard wk-b\n"
        "  - prune metric_alarm wk/b/v/gone (other eu-west-1 arn:aws:iam::123456789012:role/r)\n"
        "\n"
        "c\n"
        "  ! conflict metric_alarm wk/c/v/x: it is there already and is nobody's by its mark, not bucket/wk's; rename "
        "or delete it, or set another resource_prefix\n"
        "\n"
        "Left out:\n"
        "  left\n"
    )
    assert [change.name for change in plan.of_scopes(["a"]).changes] == ["wk/a/v/x"]


@pytest.mark.parametrize("body", [b"{}", b"no", b'{"format": 1}', b'{"format": 2}', b"[]"])
def test_what_is_no_plan_is_named(body):
    with pytest.raises(DocumentError, match=r"s3://b/plans/x\.json"):
        ResourcePlan.decoded(body, "s3://b/plans/x.json")


@given(
    st.text(max_size=40).map(lambda text: text * 40),
    st.text("ab-/.", min_size=1, max_size=200),
    st.text("ab_-", min_size=1, max_size=63),
)
def test_a_mark_survives_any_description(text, deployment, scope):
    description = OwnerMark(deployment, scope).described(text)
    assert len(description) <= 1024
    if "[watchkeeper:" not in text:
        assert OwnerMark.read(description) == OwnerMark(deployment, scope)


@given(st.sampled_from(PLACES) | st.builds(ResourcePlace, st.just("c"), st.none() | st.just("eu-west-1")))
def test_a_place_is_read_as_it_was_written(place):
    assert ResourcePlace.parse(str(place)) == place
