"""Settings from the environment and from Variables, and where include/ is found."""

from pathlib import Path

import pytest

from watchkeeper.errors import SettingsError
from watchkeeper.registry.deployment_settings import DeploymentSettings
from watchkeeper.registry.include_folder import find_include


def test_the_bucket_alone_is_enough() -> None:
    settings = DeploymentSettings.from_mapping({"WATCHKEEPER_BUCKET": "example"})
    assert (settings.bucket, settings.prefix, settings.pool) == ("example", "watchkeeper", "default_pool")
    assert (settings.act_within_hours, settings.topic_arn) == (6.0, None)


def test_the_environment_wins_over_a_variable() -> None:
    values = {
        "WATCHKEEPER_BUCKET": "from-environment",
        "watchkeeper_bucket": "from-variable",
        "watchkeeper_prefix": "p",
    }
    settings = DeploymentSettings.from_mapping(values)
    assert (settings.bucket, settings.prefix) == ("from-environment", "p")


def test_what_dag_files_are_parsed_with_comes_from_the_environment_alone() -> None:
    values = {"WATCHKEEPER_BUCKET": "bucket", "watchkeeper_pool": "p"}
    assert DeploymentSettings.from_mapping(values).pool == "default_pool"
    assert DeploymentSettings.from_mapping({**values, "WATCHKEEPER_POOL": "q"}).pool == "q"


def test_a_blank_value_is_not_set_but_a_blank_prefix_is_none() -> None:
    values = {"watchkeeper_bucket": "from-variable", "WATCHKEEPER_BUCKET": " ", "WATCHKEEPER_TOPIC_ARN": ""}
    settings = DeploymentSettings.from_mapping({**values, "WATCHKEEPER_PREFIX": ""})
    assert (settings.bucket, settings.topic_arn, settings.prefix) == ("from-variable", None, "")


def test_slashes_at_the_ends_are_taken_off() -> None:
    settings = DeploymentSettings.from_mapping(
        {"WATCHKEEPER_BUCKET": "b-1", "WATCHKEEPER_PREFIX": "/ml/watch/", "WATCHKEEPER_AIRFLOW_URL": "https://a.b/"}
    )
    assert (settings.prefix, settings.airflow_url) == ("ml/watch", "https://a.b")


def test_every_fault_is_told_at_once_and_strangers_are_left_alone() -> None:
    values = {
        "PATH": "/bin",
        "WATCHKEEPER_DEMO_HOURS": "3",
        "WATCHKEEPER_BUCKTE": "x",
        "watchkeeper_prefix": "a b",
        "WATCHKEEPER_ACT_WITHIN_HOURS": "six",
        "WATCHKEEPER_TOPIC_ARN": "alerts",
        "WATCHKEEPER_BUCKET": "s3://bucket",
    }
    with pytest.raises(SettingsError) as caught:
        DeploymentSettings.from_mapping(values)
    assert set(caught.value.problems) == {
        "WATCHKEEPER_BUCKTE: no such setting; did you mean 'WATCHKEEPER_BUCKET'?",
        "WATCHKEEPER_BUCKET (or the Airflow Variable watchkeeper_bucket): got 's3://bucket'; use a bucket's name, "
        "without s3:// and without a prefix",
        "WATCHKEEPER_PREFIX (or the Airflow Variable watchkeeper_prefix): got 'a b'; use a prefix such as watchkeeper "
        "or teams/ml, without slashes at its ends",
        "WATCHKEEPER_ACT_WITHIN_HOURS (or the Airflow Variable watchkeeper_act_within_hours): got 'six'; use a number",
        "WATCHKEEPER_TOPIC_ARN (or the Airflow Variable watchkeeper_topic_arn): got 'alerts'; use a topic's ARN such "
        "as arn:aws:sns:us-east-1:123456789012:model-alerts",
    }


def test_a_missing_bucket_says_what_it_is_for() -> None:
    with pytest.raises(SettingsError, match=r"watchkeeper_bucket\): missing; add it: the S3 bucket of the report"):
        DeploymentSettings.from_mapping({})


def test_a_misspelt_name_is_a_fault_even_where_all_is_set() -> None:
    with pytest.raises(SettingsError, match="did you mean 'watchkeeper_topic_arn'"):
        DeploymentSettings.from_mapping({"WATCHKEEPER_BUCKET": "b-1", "watchkeeper_topic_arm": "x"})


def test_endpoints_lie_in_include_unless_told(tmp_path: Path) -> None:
    told = {"WATCHKEEPER_BUCKET": "b-1", "WATCHKEEPER_INCLUDE": str(tmp_path)}
    assert DeploymentSettings.from_mapping(told).endpoints_folder() == tmp_path / "endpoints"
    told["WATCHKEEPER_ENDPOINTS"] = "/elsewhere"
    assert DeploymentSettings.from_mapping(told).endpoints_folder() == Path("/elsewhere")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "airflow" / "dags").mkdir(parents=True)
    (tmp_path / "package" / "dags").mkdir(parents=True)
    return tmp_path


def include_at(folder: Path) -> Path:
    (folder / "endpoints").mkdir(parents=True)
    return folder


def test_include_is_told_by_the_environment_first(home: Path) -> None:
    include_at(home / "airflow" / "include")
    told = include_at(home / "told")
    values = {"WATCHKEEPER_INCLUDE": str(told), "AIRFLOW_HOME": str(home / "airflow")}
    assert find_include(values, home / "package") == told


def test_include_lies_beside_the_dags_before_inside_them(home: Path) -> None:
    inside = include_at(home / "airflow" / "dags" / "include")
    values = {"AIRFLOW_HOME": str(home / "airflow")}
    assert find_include(values, home / "package") == inside
    beside = include_at(home / "airflow" / "include")
    assert find_include(values, home / "package") == beside
    assert find_include({"AIRFLOW__CORE__DAGS_FOLDER": str(home / "airflow" / "dags")}, home / "package") == beside


def test_without_airflow_it_is_the_one_of_the_package(home: Path) -> None:
    beside = include_at(home / "package" / "include")
    assert find_include({}, home / "package") == beside
    assert find_include({}) == Path(__file__).parents[2] / "include"


def test_no_include_names_every_place_that_was_tried(home: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        find_include({"AIRFLOW_HOME": str(home / "airflow")}, home / "package")
    (problem,) = caught.value.problems
    for place in ("airflow/include", "airflow/dags/include", "package/include", "package/dags/include"):
        assert f"{home}/{place}" in problem
    with pytest.raises(SettingsError, match="holds no endpoints/ or runbooks/; name the include folder itself"):
        find_include({"WATCHKEEPER_INCLUDE": str(home)}, home / "package")
