"""Laws of include/: the examples are sound and switched off, editors' schema agrees, no runbook is missing."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from watchkeeper.registry.capture_window import Period
from watchkeeper.registry.event_kind import EVENT_KINDS, EventKind
from watchkeeper.registry.fleet_file import load_fleet
from watchkeeper.registry.registry_files import load_registry
from watchkeeper.registry.registry_reference import endpoint_schema, fleet_schema
from watchkeeper.registry.runbook_pages import (
    ALARM_RUNBOOKS,
    COST_RUNBOOKS,
    EVENT_RUNBOOKS,
    FINDING_RUNBOOKS,
    INDEX_PAGE,
    NOTICE_RUNBOOKS,
    REMEDIATION_RUNBOOKS,
    VERDICT_RUNBOOKS,
    event_runbook,
    runbook_link,
    runbook_name,
)

INCLUDE = Path(__file__).parents[2] / "include"
EXAMPLES = sorted((INCLUDE / "endpoints").glob("*.yaml"))
KINDS = (
    *FINDING_RUNBOOKS,
    *VERDICT_RUNBOOKS,
    *ALARM_RUNBOOKS,
    *COST_RUNBOOKS,
    *NOTICE_RUNBOOKS,
    *REMEDIATION_RUNBOOKS,
    *EVENT_RUNBOOKS,
)


def test_the_examples_are_sound_and_nothing_looks_for_them() -> None:
    registry = load_registry(INCLUDE / "endpoints")
    registry.require_sound()
    assert set(registry.endpoints) == {"churn-example", "fraud-example"}
    periods: tuple[Period, ...] = ("hourly", "daily")
    assert [registry.watched("data_quality", period) for period in periods] == [(), ()]
    assert registry.labelled() == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_editors_schema_takes_the_examples(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), endpoint_schema())


def test_the_editors_schema_takes_the_fleets_file() -> None:
    jsonschema.validate(yaml.safe_load((INCLUDE / "fleet.yaml").read_text(encoding="utf-8")), fleet_schema())
    load_fleet(INCLUDE)


@pytest.mark.parametrize(
    "faulty",
    [{"ownr": "x"}, {"grace_minutes": "10"}, {"monitors": {"fairness": {}}}, {"capture": {"s3_uri": "bucket"}}],
    ids=lambda faulty: next(iter(faulty)),
)
def test_the_editors_schema_refuses_what_the_loader_refuses(faulty: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(faulty, endpoint_schema())


def test_the_editors_schema_lets_sections_be_left_empty() -> None:
    jsonschema.validate({"alerts": None, "tags": None, "capture": None, "monitors": None}, endpoint_schema())


@pytest.mark.parametrize("kind", KINDS)
def test_every_finding_verdict_and_alarm_has_its_runbook(kind: str) -> None:
    page = INCLUDE / "runbooks" / runbook_name(kind)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {kind}\n")
    for heading in (
        "## What it means",
        "## How it is computed",
        "## Likely causes",
        "## Steps",
        "## Silence or adjust",
    ):
        assert f"\n{heading}\n" in text, f"{page.name} lacks {heading!r}"


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_every_kind_of_event_has_a_page(kind: EventKind) -> None:
    assert (INCLUDE / "runbooks" / event_runbook(kind)).is_file()


def test_every_runbook_is_known_and_listed_in_the_index() -> None:
    pages = {path.name for path in (INCLUDE / "runbooks").glob("*.md")} - {INDEX_PAGE}
    assert pages == {runbook_name(kind) for kind in KINDS}
    index = (INCLUDE / "runbooks" / INDEX_PAGE).read_text(encoding="utf-8")
    assert [page for page in sorted(pages) if f"]({page})" not in index] == []


def test_what_has_no_page_leads_to_the_index() -> None:
    assert runbook_name("a_check_of_tomorrow") == INDEX_PAGE
    assert runbook_link("https://x.y/runbooks/", "failed") == "https://x.y/runbooks/failed.md"


def test_every_message_of_remediation_names_a_page_that_there_is() -> None:
    from watchkeeper.operators import incident_notice, incident_upkeep, malformed_notice

    pages = {value for name, value in vars(incident_notice).items() if name.endswith("PAGE")}
    pages |= {incident_upkeep.UNKNOWN_PAGE, malformed_notice.RUNBOOK}
    assert pages == {f"{kind}.md" for kind in REMEDIATION_RUNBOOKS}
