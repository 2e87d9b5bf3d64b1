"""Laws of the generated reference: up to date, every field described, every runbook's YAML key a real one."""

import re
from pathlib import Path

import pytest

from watchkeeper.registry.__main__ import main
from watchkeeper.registry.deployment_settings import DeploymentSettings
from watchkeeper.registry.fleet_spec import FleetSpec
from watchkeeper.registry.registry_reference import ReferenceField, reference_fields, reference_files, write_reference

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(reference_files()))
def test_the_generated_reference_is_up_to_date(name: str) -> None:
    found = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert found == reference_files()[name], "run: python -m watchkeeper.registry reference"


FIELDS = (*reference_fields(), *reference_fields(FleetSpec))


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.path)
def test_every_field_says_what_it_means(field: ReferenceField) -> None:
    assert field.meaning.endswith(".")
    assert field.example or "section" in field.type_name, "give an example"


@pytest.mark.parametrize("name", sorted(DeploymentSettings.model_fields))
def test_every_setting_says_what_it_means(name: str) -> None:
    field = DeploymentSettings.model_fields[name]
    assert (field.description or "").endswith(".")
    assert field.examples


def test_runbooks_and_examples_name_only_fields_that_exist() -> None:
    known = {row.path for row in FIELDS}
    sections = {path.split(".")[0] for path in known if "." in path}
    named = re.compile(rf"`((?:{'|'.join(sorted(sections))})\.[a-z_.<>]+)(?::[^`]*)?`")
    pages = [*(ROOT / "include" / "runbooks").glob("*.md"), *(ROOT / "docs").glob("*.md")]
    wrong = {
        f"{page.name}: {path}"
        for page in pages
        for path in named.findall(page.read_text(encoding="utf-8"))
        if path.rstrip(".") not in known and not path.endswith(".json")
    }
    assert wrong == set()


def test_writing_the_reference_twice_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {path.name for path in write_reference(tmp_path)} == set(reference_files())
    assert main(["reference", "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "the reference is up to date\n"
    assert main(["reference", "--folder", str(tmp_path / "none")]) == 1
    assert "no such folder" in capsys.readouterr().err
