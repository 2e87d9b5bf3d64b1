"""Drafts of endpoint files: what is known is valid YAML, what is not is marked, and nothing can be injected."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.registry.endpoint_draft import CapturedSide, EndpointFacts, draft_endpoint_file
from watchkeeper.registry.registry_files import load_registry

KNOWN = EndpointFacts(
    endpoint_name="churn-prod",
    region_name="eu-west-1",
    variants=("blue", "green"),
    model_version="12",
    capture_enabled=True,
    capture_s3_uri="s3://example-capture/churn",
    sampling_percentage=20,
    kms_key_id="alias/capture",
    csv_content_types=("text/csv",),
    request=CapturedSide("CSV", "text/csv", 6),
    response=CapturedSide("JSON", "application/json", 2, ("score", "label: x")),
    tags={"Team": "customer analytics", "cost-centre": "0042"},
)


def test_a_draft_of_a_known_endpoint_is_sound_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "drafted.yaml").write_text(draft_endpoint_file(KNOWN), encoding="utf-8")
    registry = load_registry(tmp_path)
    registry.require_sound()
    spec = registry.endpoints["drafted"]
    assert (spec.endpoint_name, spec.owner, spec.region_name) == ("churn-prod", "customer analytics", "eu-west-1")
    assert (spec.variants, spec.model_version) == (("blue", "green"), "12")
    assert (spec.capture.s3_uri, spec.capture.sampling_percentage) == ("s3://example-capture/churn", 20)
    assert (spec.capture.csv_content_types, spec.capture.json_content_types) == (("text/csv",), ())
    assert spec.tags == {"Team": "customer analytics", "cost-centre": "0042"}


def test_what_is_not_known_is_marked_and_counted() -> None:
    lines = draft_endpoint_file(KNOWN).splitlines()
    assert [line.strip() for line in lines if "unknown:" in line][1:] == [
        "# unknown: what the model does, in a sentence",
        "# unknown: the names of the 6 columns of the request, in their order "
        "(the baseline's are used without this line)",
        "# unknown: the training data that the baseline of churn-prod is made from",
    ]
    assert "  # input_columns: [column_1, column_2, column_3, column_4]  # and 2 more" in lines
    assert '  # output_columns: the response is JSON and names its columns itself: [score, "label: x"]' in lines


def test_the_draft_of_an_endpoint_without_capture_names_what_is_required(tmp_path: Path) -> None:
    text = draft_endpoint_file(EndpointFacts("churn-prod"))
    (tmp_path / "drafted.yaml").write_text(text, encoding="utf-8")
    assert load_registry(tmp_path).problems == (
        "drafted.yaml: owner: missing; add it: the team or person who answers for the model; named in alerts",
        "drafted.yaml: capture.s3_uri: missing; add it: SageMaker's DestinationS3Uri",
    )
    assert "Data capture is off on this endpoint" in text
    for line in text.splitlines():
        if "(required)" in line:
            assert line.strip().startswith("# unknown: ")
    filled = text.replace("# owner:", "owner:").replace("# s3_uri:", "s3_uri:")
    (tmp_path / "drafted.yaml").write_text(filled, encoding="utf-8")
    assert load_registry(tmp_path).problems == ()


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (
            CapturedSide("BASE64", "application/x-npy"),
            "is BASE64 (application/x-npy), whose columns could not be counted",
        ),
        (CapturedSide("JSON", "application/json"), "is JSON, but not flat; nested names cannot be monitored"),
        (CapturedSide("CSV", "text/csv", 1), "the names of the 1 column of the request"),
    ],
)
def test_a_payload_without_names_says_why(side: CapturedSide, expected: str) -> None:
    assert expected in draft_endpoint_file(EndpointFacts("churn", request=side))


odd = st.text(min_size=1, max_size=20) | st.sampled_from(
    ["yes", "1", "~", "a: b", "x\n# owner: evil", "-", "[", "null"]
)


@given(st.dictionaries(odd, odd, max_size=4), odd, st.lists(odd, max_size=3))
def test_odd_texts_stay_what_they_are(tags: dict[str, str], version: str, names: list[str]) -> None:
    facts = EndpointFacts(
        "churn",
        model_version=version,
        capture_enabled=True,
        capture_s3_uri="s3://bucket/x",
        response=CapturedSide("JSON", "application/json", len(names), tuple(names)),
        tags=tags,
    )
    values = yaml.safe_load(draft_endpoint_file(facts))
    assert values["model_version"] == version
    assert values.get("tags", {}) == tags
    assert set(values) <= {"endpoint_name", "owner", "model_version", "capture", "tags"}
    assert set(values["capture"]) == {"s3_uri", "csv_content_types", "json_content_types"}
