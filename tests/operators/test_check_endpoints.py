"""What only the analysis can tell of an endpoint's file is told with all that the registry tells."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from tests import airflow_home
from watchkeeper.operators.check_endpoints import endpoint_faults, fleet_faults, main, price_warning
from watchkeeper.registry.price_table import load_prices

SOUND = "owner: me\ncapture: {s3_uri: s3://bucket/x, input_columns: [sex, age]}\nground_truth: {s3_uri: s3://b-b/t}\n"
CONFIG = {"dataset_type": "text/csv", "headers": ["sex", "age", "label"], "label": "label", "methods": {}}


@pytest.fixture
def folder(tmp_path):
    def write(name="churn", monitors="", **configs):
        (tmp_path / f"{name}.yaml").write_text(f"{SOUND}monitors: {{{monitors}}}\n")
        for stem, config in configs.items():
            (tmp_path / f"{stem}.json").write_text(json.dumps(config))
        return tmp_path

    return write


def test_sound_files_are_counted(folder, capsys):
    place = folder(monitors="explainability: {}")
    assert main(["--folder", str(place)]) == 0
    assert capsys.readouterr().out == "1 endpoint file is sound\n"


def test_faults_of_clarifys_config_and_of_the_registry_are_told_together(folder, capsys):
    folder("wrong", "data_quality: {periods: [weekly]}")
    bad = {**CONFIG, "facet": "sex", "methods": {"pre_training_bias": {"methods": ["XX"]}}}
    place = folder(monitors="bias: {analysis_config: clarify.json}", clarify=bad)
    count, faults = endpoint_faults(place)
    assert count == 0
    assert any(fault.startswith("wrong.yaml: monitors.data_quality.periods[0]: got 'weekly'") for fault in faults)
    (told,) = [fault for fault in faults if fault.startswith("churn.yaml: monitors.bias")]
    assert "facet" in told
    assert "XX" in told
    assert main(["--folder", str(place)]) == 1
    assert "2 problems" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("monitors", "expected"),
    [
        ("explainability: {request: {content_type: application/json}}", "monitors.explainability.request"),
        ("explainability: {shap: {baseline: [[1, 2], [1]]}}", "monitors.explainability: baseline rows differ"),
    ],
)
def test_requests_and_settings_that_do_not_fit_are_told(folder, monitors, expected):
    count, (fault,) = endpoint_faults(folder(monitors=monitors))
    assert count == 0
    assert fault.startswith(f"churn.yaml: {expected}")


def test_an_old_price_table_is_warned_of_and_a_missing_one_told(tmp_path):
    include = airflow_home.REPOSITORY / "include"
    made = load_prices(include).date
    assert price_warning(include, made) is None
    assert str(made) in price_warning(include, made + timedelta(days=181))
    assert "no ceiling holds" in price_warning(tmp_path, made)


def test_the_examples_are_sound_in_a_process_without_airflow(folder):
    """`make check` must not need a database, nor wait for Airflow."""
    place = airflow_home.REPOSITORY / "include" / "endpoints"
    code = (
        "import sys; from watchkeeper.operators.check_endpoints import main; "
        f"status = main(['--folder', {str(place)!r}]); assert 'airflow' not in sys.modules; sys.exit(status)"
    )
    environment = os.environ | {"PYTHONPATH": str(airflow_home.REPOSITORY / "plugins")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")


NOW = datetime(2026, 11, 25, 5, tzinfo=UTC)


def test_a_secret_in_any_file_is_told_by_line_and_not_shown(folder, capsys):
    token = "xo" + "xb-123456789012-AbCdEfGhIjKlMnOp"
    place = folder(notes={"hook": f"https://hooks.slack{'.com'}/services/T0/B0/abc"})
    (place / "_defaults.yaml").write_text(f"# {token}\ndescription: a model\n")
    assert main(["--folder", str(place)]) == 1
    told = capsys.readouterr().err
    assert "_defaults.yaml: line 1: got what looks like a Slack token; files hold no secrets: revoke it" in told
    assert "notes.json: line 1: got what looks like a Slack webhook" in told
    assert token not in told


def test_the_fleets_file_is_checked_with_its_providers_and_silences(tmp_path, monkeypatch):
    (tmp_path / "fleet.yaml").write_text(
        "routing:\n"
        "  channels: {chat: {slack: {channel: '#models'}}}\n"
        "  silences: [{match: {endpoint: [a]}, until: '2026-11-25T04:59Z', reason: moved, author: ana}]\n"
    )
    faults, warnings = fleet_faults(tmp_path, NOW)
    assert faults == ()
    assert warnings[0].startswith("fleet.yaml: routing.silences[0]: ended at 2026-11-25T04:59Z")
    monkeypatch.setitem(sys.modules, "airflow.providers.slack", None)
    assert fleet_faults(tmp_path, NOW)[0] == (
        "fleet.yaml: routing.channels: channel 'chat' needs apache-airflow-providers-slack, which is not installed; "
        "add it to requirements.txt",
    )
    (tmp_path / "fleet.yaml").write_text("routing: {routes: [{channels: [gone]}]}  # password: opensesame1\n")
    faults, _ = fleet_faults(tmp_path, NOW)
    assert "got the channel 'gone'" in faults[0]
    assert faults[1].startswith("fleet.yaml: line 1: got what looks like a value for password")
