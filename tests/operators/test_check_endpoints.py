"""What only the analysis can tell of an endpoint's file is told with all that the registry tells."""

import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest

from tests import airflow_home
from watchkeeper.operators.check_endpoints import endpoint_faults, main, price_warning
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
