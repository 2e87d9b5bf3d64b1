"""Endpoint files: what a sound one gives, and the exact words about a faulty one."""

import pickle
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.errors import RegistryError
from watchkeeper.registry.__main__ import main
from watchkeeper.registry.registry_files import REGISTRY_ID, load_endpoint, load_registry, merged

SOUND = "owner: me\ncapture: {s3_uri: s3://bucket/capture}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, **files: str) -> Path:
    for stem, text in files.items():
        (folder / f"{stem.replace('__', '-')}.yaml").write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def problems(folder: Path) -> list[str]:
    return list(load_registry(folder).problems)


def test_a_short_file_has_all_defaults_and_the_stem_for_a_name(folder: Path) -> None:
    spec = load_registry(write(folder, churn=SOUND)).endpoints["churn"]
    assert (spec.registry_id, spec.endpoint_name, spec.variants) == ("churn", "churn", ("AllTraffic",))
    assert spec.capture_prefix("AllTraffic") == "s3://bucket/capture/churn/AllTraffic/"
    assert spec.monitors.data_quality.minimum_rows == 30
    assert spec.monitors.data_quality.thresholds.given() == {}
    assert spec.watches("data_quality", "hourly")
    assert not spec.watches("bias", "hourly")


def test_the_stem_is_the_id_even_where_sagemaker_has_another_name(folder: Path) -> None:
    spec = load_registry(write(folder, churn_eu="endpoint_name: churn\n" + SOUND)).endpoints["churn_eu"]
    assert (spec.registry_id, spec.endpoint_name) == ("churn_eu", "churn")


def test_defaults_merge_deeply_and_lists_are_replaced(folder: Path) -> None:
    write(
        folder,
        _defaults="""
            owner: platform
            variants: [a, b]
            alerts: {severity: critical, act_within_hours: 2}
            monitors: {data_quality: {thresholds: {comparison_threshold: 0.3, comparison_method: Simple}}}
        """,
        one="""
            capture: {s3_uri: s3://bucket/one/}
            variants: [c]
            alerts:
            monitors: {data_quality: {thresholds: {comparison_threshold: 0.5}, features: {age: }}}
        """,
        two=SOUND + "alerts: {severity: info}\n",
    )
    registry = load_registry(folder)
    registry.require_sound()
    one, two = registry.endpoints["one"], registry.endpoints["two"]
    assert (one.owner, one.variants, one.alerts.severity) == ("platform", ("c",), "critical")
    assert one.monitors.data_quality.thresholds.given() == {"comparison_threshold": 0.5, "comparison_method": "Simple"}
    assert one.monitors.data_quality.features["age"].given() == {}
    assert one.capture.s3_uri == "s3://bucket/one"
    assert (two.owner, two.alerts.severity, two.alerts.act_within_hours) == ("me", "info", 2)


trees = st.recursive(
    st.integers() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.sampled_from("abc"), trees, max_size=3)


@given(mappings, mappings)
def test_merging_keeps_every_key_and_the_upper_value_wins(under: dict[str, object], over: dict[str, object]) -> None:
    result = merged(under, over)
    assert result.keys() == under.keys() | over.keys()
    assert merged(result, over) == result
    assert merged({}, over) == over
    assert merged(under, {}) == under
    for key, value in over.items():
        if not isinstance(value, dict):
            assert result[key] == value


def test_every_fault_of_every_file_is_told_at_once(folder: Path) -> None:
    write(
        folder,
        _defaults="""
            owner: platform
            grace_minutes: "10"
            endpoint_name: shared
        """,
        churn="""
            grace_minutes: 5
            description: 2026-01-01
            model_version: 3
            sampling_percentage: 3
            capture:
              s3_uri: s3://bucket/x
              sampling: 20
              sampling_percentage: 120
              input_columns: [a, b, a]
            monitors:
              bias: {}
              data_quality:
                perodis: [hourly]
                periods: [weekly]
                enabled: "yes"
                features: {delay: {comparison_treshold: 3, completeness: 1.2}}
                thresholds: {comparison_method: robust, comparison_threshold: .nan}
            alerts: {topic_arn: model-alerts, severity: loud}
            baseline: {dataset: s3://bucket/train}
            variants: AllTraffic
            tags: {tier: 1}
            zzz: 1
        """,
        empty="",
        flights=SOUND + "grace_minutes: 5\n",
    )
    registry = load_registry(folder)
    assert list(registry.endpoints) == ["flights"]
    assert set(registry.problems) == {
        "_defaults.yaml: endpoint_name: two endpoints cannot share it; write it in the endpoint's own file",
        "_defaults.yaml: grace_minutes: got '10'; use a whole number, without quotes",
        "churn.yaml: alerts.severity: got 'loud'; use 'info', 'warning' or 'critical'",
        "churn.yaml: alerts.topic_arn: got 'model-alerts'; use a topic's ARN such as "
        "arn:aws:sns:us-east-1:123456789012:model-alerts",
        "churn.yaml: baseline: the suffix of 's3://bucket/train' does not tell its format; "
        "add format: csv, jsonlines or parquet",
        "churn.yaml: capture.input_columns: got a list; name each only once: 'a' stands there twice",
        "churn.yaml: capture.sampling: unknown field; did you mean 'sampling_percentage'?",
        "churn.yaml: capture.sampling_percentage: got 120; use at most 100",
        "churn.yaml: description: got 2026-01-01; put it in quotes",
        "churn.yaml: model_version: got 3; put it in quotes",
        "churn.yaml: monitors.bias: facets: name at least one, or give an analysis_config",
        "churn.yaml: monitors.data_quality.enabled: got 'yes'; use true or false",
        "churn.yaml: monitors.data_quality.features.delay.comparison_treshold: unknown field; "
        "did you mean 'comparison_threshold'?",
        "churn.yaml: monitors.data_quality.features.delay.completeness: got 1.2; use at most 1.0",
        "churn.yaml: monitors.data_quality.perodis: unknown field; did you mean 'periods'?",
        "churn.yaml: monitors.data_quality.periods[0]: got 'weekly'; use 'hourly' or 'daily'",
        "churn.yaml: monitors.data_quality.thresholds.comparison_method: got 'robust'; use 'Robust' or 'Simple'",
        "churn.yaml: monitors.data_quality.thresholds.comparison_threshold: got nan; use a finite number",
        "churn.yaml: sampling_percentage: unknown field here; it belongs to capture.sampling_percentage",
        "churn.yaml: tags.tier: got 1; put it in quotes",
        "churn.yaml: variants: got 'AllTraffic'; use a list, such as [first, second]",
        "churn.yaml: zzz: unknown field; known are endpoint_name, owner, description, region_name, aws_conn_id, "
        "role_arn, variants, model_version, capture, ground_truth, grace_minutes, monitors, alerts, baseline, "
        "retraining, infrastructure, remediation, cost, tags",
        "empty.yaml: the file is empty; write at least owner and capture.s3_uri, or remove it",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SOUND + "owner: you\n", ["line 3: got the key 'owner' again, after line 1; keep one"]),
        ("no: 1\n" + SOUND, ["line 1: got the key no, which YAML does not read as text; put it in quotes"]),
        ("- a\n", ["got a list; write a mapping such as 'owner: my-team'"]),
        ("owner\n", ["got a single text; write a mapping such as 'owner: my-team'"]),
        ("{}\n", ["the file is empty; write at least owner and capture.s3_uri, or remove it"]),
        ("# nothing\n", ["the file is empty; write at least owner and capture.s3_uri, or remove it"]),
        (SOUND + "---\n" + SOUND, ["line 3, column 1: got a second document; write one endpoint per file"]),
        (
            "a: b: c",
            ["line 1, column 5: not YAML: mapping values are not allowed here; check indentation, colons and quotes"],
        ),
        ("a: *b", ["line 1, column 4: found undefined alias 'b'; define an anchor once, before its alias"]),
        ("capture: {}\nowner: me\n", ["capture.s3_uri: missing; add it: SageMaker's DestinationS3Uri"]),
        (
            "capture:\n",
            [
                "capture.s3_uri: missing; add it: SageMaker's DestinationS3Uri",
                "owner: missing; add it: the team or person who answers for the model; named in alerts",
            ],
        ),
        (SOUND + "grace_minutes:\n", ["grace_minutes: got nothing; use a whole number, without quotes"]),
        (SOUND + "grace_minutes: true\n", ["grace_minutes: got true; use a whole number, without quotes"]),
        (SOUND + "variants: []\n", ["variants: got an empty list; give at least 1"]),
        (SOUND + "monitors: [data_quality]\n", ["monitors: got a list; use a mapping of field names to values"]),
        (SOUND + "registry_id: x\n", ["registry_id: unknown field; it is the file's stem"]),
        (SOUND + "owner_team: x\n", ["owner_team: unknown field; did you mean 'owner'?"]),
        (
            SOUND + "baseline: {import_statistics: 's3://bucket/s.json'}\n",
            [
                "baseline: only import_statistics is given; give import_statistics and import_constraints together",
            ],
        ),
        (
            SOUND + "monitors: {data_quality: {features: {a: {}}, exclude: [a]}}\n",
            ["monitors.data_quality: 'a' stands under both features and exclude; keep one"],
        ),
    ],
)
def test_one_fault_is_told_in_these_words(folder: Path, text: str, expected: list[str]) -> None:
    (folder / "churn.yaml").write_text(text, encoding="utf-8")
    assert sorted(problems(folder)) == [f"churn.yaml: {line}" for line in expected]


def test_a_tag_that_would_make_an_object_makes_nothing(folder: Path) -> None:
    (folder / "churn.yaml").write_text(f"owner: !!python/object/apply:os.mkdir ['{folder}/made']\n", encoding="utf-8")
    (problem,) = problems(folder)
    assert problem.startswith("churn.yaml: line 1, column 8: could not determine a constructor for the tag")
    assert not (folder / "made").exists()


def test_other_encodings_and_control_characters_are_refused(folder: Path) -> None:
    (folder / "latin.yaml").write_bytes("owner: J\xf6rg\n".encode("latin-1"))
    (folder / "bell.yaml").write_bytes(b"owner: a\x07\n")
    (folder / "bom.yaml").write_text("\ufeff" + SOUND, encoding="utf-8")
    assert problems(folder) == [
        "bell.yaml: got the character #x0007 at position 8; remove it",
        "latin.yaml: got a byte at position 8 that is not UTF-8; save the file as UTF-8",
    ]


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{x: " * 3000, "- " * 60_000 + "a", "".join(" " * level + "a:\n" for level in range(1200))],
    ids=["brackets", "braces", "dashes", "indentation"],
)
def test_no_depth_brings_the_reader_down(folder: Path, text: str) -> None:
    (folder / "churn.yaml").write_text(text, encoding="utf-8")
    assert problems(folder) == ["churn.yaml: nested too deeply; an endpoint file has at most five levels"]


@pytest.mark.parametrize("text", ["capture: &a {s3_uri: *a}\n", "alerts: &a\n  b: {c: [*a]}\n"])
def test_no_cycle_brings_the_reader_down(folder: Path, text: str) -> None:
    write(folder, _defaults=text, churn=text)
    fault = "got an alias inside its own anchor; write the value out"
    assert problems(folder) == [f"_defaults.yaml: {fault}", f"churn.yaml: {fault}"]


def test_anchors_may_be_shared(folder: Path) -> None:
    text = SOUND + "monitors: {data_quality: {features: {a: &lax {completeness: 0.5}, b: *lax, c: {<<: *lax}}}}\n"
    features = load_registry(write(folder, churn=text)).endpoints["churn"].monitors.data_quality.features
    assert {name: rules.given() for name, rules in features.items()} == {name: {"completeness": 0.5} for name in "abc"}


def test_one_endpoint_is_loaded_without_reading_the_others(folder: Path) -> None:
    write(folder, _defaults="owner: platform\n", churn="capture: {s3_uri: s3://bucket/x}\n", broken="owner: 1\n")
    assert load_endpoint(folder, "churn") == load_registry(folder).endpoints["churn"]
    with pytest.raises(RegistryError, match=r"broken\.yaml: owner: got 1; put it in quotes"):
        load_endpoint(folder, "broken")
    for missing in ("chrun", "../churn"):
        with pytest.raises(RegistryError, match="no such endpoint file"):
            load_endpoint(folder, missing)


def test_a_long_value_is_cut_and_a_deep_file_refused(folder: Path) -> None:
    write(folder, long=SOUND + f"region_name: {'x' * 500}\n", deep="[" * 5000)
    deep, long = problems(folder)
    assert deep == "deep.yaml: nested too deeply; an endpoint file has at most five levels"
    assert len(long) < 200


@pytest.mark.parametrize(
    ("stem", "sound"),
    [("churn", True), ("Churn-2_eu", True), ("a" * 63, True), ("a" * 64, False), ("churn eu", False)]
    + [(stem, False) for stem in ("churn.eu", "-churn", "churn-", "chürn", "a--b", "a/b", "")],
)
def test_ids_are_safe_in_keys_and_metrics(stem: str, sound: bool) -> None:
    assert bool(REGISTRY_ID.fullmatch(stem)) is sound


def test_a_file_name_that_is_no_id_is_told_once(folder: Path) -> None:
    (folder / "churn eu.yaml").write_text(SOUND, encoding="utf-8")
    assert problems(folder) == [
        "churn eu.yaml: got the file name 'churn eu.yaml'; use up to 63 letters and digits with single inner - or _, "
        "then .yaml"
    ]


def test_an_id_that_sagemaker_would_not_take_needs_the_real_name(folder: Path) -> None:
    assert problems(write(folder, my_model=SOUND)) == [
        "my_model.yaml: endpoint_name: got 'my_model' from the file's name; add SageMaker's name of the endpoint"
    ]


def test_files_that_are_not_read_are_told(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "notes").mkdir()
    (folder / "README.md").write_text("x", encoding="utf-8")
    (folder / ".hidden.yaml").write_text("x", encoding="utf-8")
    for name in ("a.yml", "_default.yaml", "sub/b.yaml"):
        (folder / name).write_text(SOUND, encoding="utf-8")
    assert problems(folder) == [
        "_default.yaml: names with _ in front are not endpoints; did you mean '_defaults.yaml'?",
        "a.yml: got the suffix .yml; rename it to a.yaml",
        "sub: got a folder with YAML files; folders are not read: move the files up",
    ]


def test_an_account_is_the_same_by_whatever_role_it_is_reached(folder: Path) -> None:
    def named(role: str) -> str:
        return SOUND + f"endpoint_name: churn\nrole_arn: arn:aws:iam::{role}\n"

    write(
        folder,
        a=SOUND + "endpoint_name: churn\n",
        b=named("210987654321:role/watch"),
        c=named("210987654321:role/other") + "aws_conn_id: another\n",
        d=named("310987654321:role/watch"),
    )
    registry = load_registry(folder)
    assert sorted(registry.endpoints) == ["a", "b", "d"]
    assert [problem.split(",")[0] for problem in registry.problems] == [
        "c.yaml: variants: got AllTraffic of endpoint 'churn'"
    ]
    assert registry.endpoints["a"].account_id is None
    assert registry.endpoints["b"].account_id == "210987654321"


def test_a_file_without_a_role_keeps_the_digest_that_its_verdicts_have(folder: Path) -> None:
    """Verdicts in ledgers were made before there were roles: none of them is to be restated."""
    registry = load_registry(
        write(
            folder,
            churn=SOUND,
            churn2=SOUND + "role_arn: arn:aws:iam::210987654321:role/a\nendpoint_name: churn\n",
            churn3=SOUND + "role_arn: arn:aws:iam::210987654321:role/b\nendpoint_name: churn\nvariants: [green]\n",
        )
    )
    plain, other, same = (registry.endpoints[name].digest("data_quality") for name in ("churn", "churn2", "churn3"))
    assert plain == "a243b4a01d161ae62a5271b587e94c048f1a03130aac33f3aa1fe01eeffa5518"
    assert plain != other
    # Another role of the same account reaches the same endpoint.
    assert other == same


def test_a_missing_folder_is_a_problem_and_an_empty_one_is_not(folder: Path) -> None:
    assert problems(folder) == []
    assert problems(folder / "none") == [
        f"{folder}/none: no such folder; set WATCHKEEPER_ENDPOINTS, or put the files into include/endpoints"
    ]


def test_one_endpoint_may_have_two_files_only_for_different_variants(folder: Path) -> None:
    named = SOUND + "endpoint_name: churn\n"
    write(folder, a=named, b=named, c=named + "variants: [green]\n", d=named + "region_name: eu-west-1\n")
    registry = load_registry(folder)
    assert sorted(registry.endpoints) == ["a", "c", "d"]
    assert registry.problems == (
        "b.yaml: variants: got AllTraffic of endpoint 'churn', which a.yaml watches already; "
        "name other variants, or remove one file",
    )


def test_a_faulty_default_is_told_once_and_a_file_may_overrule_it(folder: Path) -> None:
    write(folder, _defaults="grace_minutes: soon\n", a=SOUND, b=SOUND, c=SOUND + "grace_minutes: 1\n")
    registry = load_registry(folder)
    assert registry.problems == ("_defaults.yaml: grace_minutes: got 'soon'; use a whole number, without quotes",)
    assert list(registry.endpoints) == ["c"]


def test_require_names_the_faults_of_one_endpoint_or_the_likely_name(folder: Path) -> None:
    registry = load_registry(write(folder, churn=SOUND, broken="owner: 1\n"))
    assert registry.require("churn").owner == "me"
    with pytest.raises(RegistryError, match=r"broken\.yaml: owner: got 1; put it in quotes") as caught:
        registry.require("broken")
    assert all(line.startswith("broken.yaml") for line in caught.value.problems)
    with pytest.raises(RegistryError, match="did you mean 'churn'"):
        registry.require("chrun")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - our own bytes


def test_watched_endpoints_are_those_of_the_period(folder: Path) -> None:
    write(
        folder,
        daily=SOUND + "monitors: {data_quality: {periods: [daily]}}\n",
        off=SOUND + "monitors: {data_quality: {enabled: false}}\n",
        both=SOUND,
    )
    registry = load_registry(folder)
    assert [spec.registry_id for spec in registry.watched("data_quality", "daily")] == ["both", "daily"]
    assert [spec.registry_id for spec in registry.watched("data_quality", "hourly")] == ["both"]


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("# a comment\n", False),
        ("description: words\n", False),
        ("alerts: {severity: info}\n", False),
        ("monitors: {data_quality: {periods: [daily]}}\n", False),
        ("monitors: {data_quality: {minimum_rows: 31}}\n", True),
        ("monitors: {data_quality: {features: {a: {completeness: 0.5}}}}\n", True),
        ("model_version: '2'\n", True),
    ],
)
def test_the_digest_changes_with_what_changes_a_verdict(folder: Path, line: str, changes: bool) -> None:
    before = load_registry(write(folder, churn=SOUND)).endpoints["churn"].digest("data_quality")
    after = load_registry(write(folder, churn=SOUND + line)).endpoints["churn"].digest("data_quality")
    assert (before != after) is changes
    assert len(after) == 64


def test_check_prints_every_fault_and_says_so_by_its_exit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, churn=SOUND)
    assert main(["check", "--folder", str(folder)]) == 0
    assert capsys.readouterr().out == "1 endpoint file is sound\n"
    write(folder, churn="owner: 1\n", flights="")
    assert main(["check", "--folder", str(folder)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"3 problems in {folder}:",
        "  churn.yaml: owner: got 1; put it in quotes",
        "  churn.yaml: capture.s3_uri: missing; add it: SageMaker's DestinationS3Uri",
        "  flights.yaml: the file is empty; write at least owner and capture.s3_uri, or remove it",
    ]


def test_check_looks_where_the_deployment_keeps_its_files(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHKEEPER_ENDPOINTS", str(write(folder, a=SOUND, b=SOUND, c=SOUND)))
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "3 endpoint files are sound\n"
