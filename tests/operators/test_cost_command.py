"""The prediction on the command line, and the worked example of docs/cost.md, which is what it prints."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from tests import airflow_home
from watchkeeper.operators.cost import main

DOCS = airflow_home.REPOSITORY / "docs" / "cost.md"
YAML_BLOCK, TEXT_BLOCK = (re.compile(rf"```{kind}\n(.*?)```", re.DOTALL) for kind in ("yaml", "text"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(airflow_home.REPOSITORY / "include"))
    for name in ("WATCHKEEPER_ENDPOINTS", "WATCHKEEPER_REGION_NAME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(folder, name, **sections):
    document = {"endpoint_name": name, "owner": "me", "capture": {"s3_uri": "s3://bucket/x"}}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(document | sections))


def test_the_worked_example_is_what_the_command_prints(folder, capsys):
    text = DOCS.read_text()
    example = next(block for block in YAML_BLOCK.findall(text) if "basket-prod" in block)
    (folder / "basket.yaml").write_text(example)
    assert main(["--folder", str(folder), "basket"]) == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("warning:")]
    (shown,) = TEXT_BLOCK.findall(text)
    assert shown.splitlines() == printed


def test_a_ceiling_that_is_exceeded_is_the_exit_code(folder, capsys):
    write(folder, "dear", cost={"ceiling_usd_per_month": 0.01})
    write(folder, "plain")
    assert main(["--folder", str(folder)]) == 1
    assert "over the ceiling of 0.01" in capsys.readouterr().out
    assert main(["--folder", str(folder), "plain"]) == 0


def test_everything_as_json(folder, capsys):
    write(folder, "dear", cost={"ceiling_usd_per_month": 100})
    assert main(["--folder", str(folder), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    dear = document["endpoints"]["dear"]
    assert dear["predicted_usd"] == pytest.approx(sum(line["usd"] for line in dear["lines"]))
    assert dear["exceeds"] is None
    assert document["together_usd"] <= dear["predicted_usd"]


def test_an_unknown_endpoint_and_a_faulty_file_are_told(folder, capsys):
    write(folder, "plain")
    assert main(["--folder", str(folder), "plan"]) == 1
    assert "did you mean 'plain'?" in capsys.readouterr().err
    (folder / "broken.yaml").write_text("ownr: x\n")
    assert main(["--folder", str(folder)]) == 1
    captured = capsys.readouterr()
    assert "broken.yaml" in captured.err
    assert "plain" in captured.out


def test_it_needs_neither_airflow_nor_aws(folder):
    write(folder, "plain")
    code = (
        "import sys; from watchkeeper.operators.cost import main; "
        f"status = main(['--folder', {str(folder)!r}]); "
        "assert not {'airflow', 'boto3', 'botocore', 'polars'} & set(sys.modules); sys.exit(status)"
    )
    environment = os.environ | {"PYTHONPATH": str(airflow_home.REPOSITORY / "plugins")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
