"""Bringing a release to an environment: S3 is moto's, MWAA botocore's Stubber. What is there already is left alone."""

import json
import shutil
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from tools.mwaa import deployment
from tools.mwaa.bundle import CHECKSUMS, build, checksum_text
from tools.mwaa.deployment import DeploymentError, deploy, main, make_plan, verify

BUCKET, NAME = "an-mwaa-bucket", "production"
BEFORE = datetime(2026, 11, 1, tzinfo=UTC)
FIELDS = {"plugins.zip": "Plugins", "requirements.txt": "Requirements", "startup.sh": "StartupScript"}


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    target = tmp_path_factory.mktemp("release") / "dist"
    build(target)
    return target


@pytest.fixture
def dist(release, tmp_path):
    shutil.copytree(release, tmp_path / "dist")
    return tmp_path / "dist"


@pytest.fixture
def s3(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture
def mwaa(s3, monkeypatch):
    monkeypatch.setattr(deployment, "POLL_SECONDS", 0)
    client = boto3.client("mwaa")
    with Stubber(client) as stubber:
        client.stubber = stubber
        yield client
        stubber.assert_no_pending_responses()


class Environment(dict):
    """What GetEnvironment answers, and what an update makes of it."""

    def __init__(self, **changes):
        super().__init__(
            {
                "Name": NAME,
                "Status": "AVAILABLE",
                "AirflowVersion": "3.3.1",
                "SourceBucketArn": f"arn:aws:s3:::{BUCKET}",
                "DagS3Path": "dags",
                "LastUpdate": {"Status": "SUCCESS", "CreatedAt": BEFORE},
                **changes,
            }
        )

    def updated(self, request, **changes):
        moment = self["LastUpdate"]["CreatedAt"] + timedelta(hours=1)
        done = {"LastUpdate": {"Status": "SUCCESS", "CreatedAt": moment}, **changes}
        return Environment(**{**self, **{key: value for key, value in request.items() if "S3" in key}, **done})


class Update:
    """The calls of a deployment that updates: what is asked of MWAA, and the environment afterwards."""

    def __init__(self, mwaa, environment, on_update=lambda: None, **outcome):
        self.request = {}
        self.environment = environment
        mwaa.stubber.add_response("get_environment", {"Environment": environment}, {"Name": NAME})
        mwaa.stubber.add_response("update_environment", {"Arn": "a"})
        mwaa.stubber.add_response("get_environment", {"Environment": environment})
        updating = {"Status": "UPDATING", "LastUpdate": {"Status": "PENDING", "CreatedAt": BEFORE + timedelta(hours=1)}}
        mwaa.stubber.add_response("get_environment", {"Environment": {**environment, **updating}})
        answer = {"Environment": {}}
        mwaa.stubber.add_response("get_environment", answer)

        def remember(params, **_):
            self.request = params
            self.environment = environment.updated(params, **outcome)
            answer["Environment"].update(self.environment)
            on_update()

        mwaa.meta.events.register("provide-client-params.mwaa.UpdateEnvironment", remember)


def bring(dist, environment, s3, mwaa, **options):
    told = []
    deploy(make_plan(NAME, environment, dist, s3), dist, s3, mwaa, tell=told.append, **options)
    return told


def keys(s3):
    return {item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])}


def versions(s3, key):
    found = s3.list_object_versions(Bucket=BUCKET, Prefix=key).get("Versions", [])
    return [item["VersionId"] for item in found if item["Key"] == key]


def change(dist, name, text="# changed\n"):
    (dist / name).parent.mkdir(parents=True, exist_ok=True)
    (dist / name).write_text(text)
    (dist / CHECKSUMS).write_text(checksum_text(dist))


@pytest.fixture
def deployed(dist, s3, mwaa):
    """The environment after a first deployment."""
    update = Update(mwaa, Environment())
    bring(dist, Environment(), s3, mwaa)
    return update.environment


def test_a_first_deployment_uploads_everything_updates_and_verifies(dist, s3, mwaa):
    update = Update(mwaa, Environment())
    told = bring(dist, Environment(), s3, mwaa)
    for name, field in FIELDS.items():
        assert update.request[f"{field}S3Path"] == name
        assert update.request[f"{field}S3ObjectVersion"] == versions(s3, name)[0]
    shipped = {f"dags/{path.relative_to(dist / 'dags')}" for path in (dist / "dags").rglob("*") if path.is_file()}
    assert keys(s3) == {*FIELDS, *shipped, "dags/include/deployed.txt"}
    assert told[0] == "updating production; MWAA takes 20 to 30 minutes"
    assert told[-1] == "production runs this release; DAG files are read within a minute"


def test_the_same_release_again_asks_and_writes_nothing(dist, s3, mwaa, deployed):
    count = len(s3.list_object_versions(Bucket=BUCKET)["Versions"])
    plan = make_plan(NAME, deployed, dist, s3)
    assert (plan.outdated, plan.uploads, plan.removals) == ((), (), ())
    assert plan.lines()[-1] == f"update of production: none; {plan.unchanged} files below dags/ are as they are"
    bring(dist, deployed, s3, mwaa)
    assert len(s3.list_object_versions(Bucket=BUCKET)["Versions"]) == count


def test_a_new_endpoint_file_needs_no_update(dist, s3, mwaa, deployed):
    change(dist, "dags/include/endpoints/new.yaml")
    plan = make_plan(NAME, deployed, dist, s3)
    assert (plan.outdated, plan.uploads) == ((), ("include/endpoints/new.yaml",))
    bring(dist, deployed, s3, mwaa)
    assert "dags/include/endpoints/new.yaml" in keys(s3)


def test_only_what_changed_is_updated(dist, s3, mwaa, deployed):
    change(dist, "startup.sh")
    update = Update(mwaa, deployed)
    bring(dist, deployed, s3, mwaa, graceful=True)
    assert update.request == {
        "Name": NAME,
        "StartupScriptS3Path": "startup.sh",
        "StartupScriptS3ObjectVersion": versions(s3, "startup.sh")[0],
        "WorkerReplacementStrategy": "GRACEFUL",
    }
    assert len(versions(s3, "plugins.zip")) == 1


def test_dag_files_wait_for_the_code_that_they_need_and_constraints_go_first(dist, s3, mwaa, deployed):
    change(dist, "dags/new_dag.py")
    change(dist, "dags/include/constraints-abc.txt")
    change(dist, "plugins.zip")
    seen = set()
    Update(mwaa, deployed, on_update=lambda: seen.update(keys(s3)))
    bring(dist, deployed, s3, mwaa)
    assert "dags/include/constraints-abc.txt" in seen
    assert "dags/new_dag.py" not in seen
    assert "dags/new_dag.py" in keys(s3)


def test_what_is_shipped_no_more_is_removed_but_nobody_elses_file_and_no_constraints(dist, s3, mwaa, deployed):
    s3.put_object(Bucket=BUCKET, Key="dags/another_team.py", Body=b"")
    (dist / "dags" / "roll_back.py").unlink()
    (old,) = (dist / "dags" / "include").glob("constraints-*.txt")
    old.unlink()
    (dist / CHECKSUMS).write_text(checksum_text(dist))
    assert make_plan(NAME, deployed, dist, s3).removals == ("roll_back.py",)
    bring(dist, deployed, s3, mwaa)
    assert "dags/roll_back.py" not in keys(s3)
    assert {"dags/another_team.py", f"dags/include/{old.name}"} <= keys(s3)
    assert make_plan(NAME, deployed, dist, s3).removals == ()


def test_a_deployment_that_was_cut_short_is_taken_up(dist, s3, mwaa, deployed):
    change(dist, "plugins.zip")
    change(dist, "dags/new_dag.py")
    mwaa.stubber.add_response("get_environment", {"Environment": deployed})
    mwaa.stubber.add_client_error("update_environment", "InternalServerException")
    with pytest.raises(mwaa.exceptions.InternalServerException):
        bring(dist, deployed, s3, mwaa)
    uploaded = versions(s3, "plugins.zip")
    assert (len(uploaded), "dags/new_dag.py" in keys(s3)) == (2, False)
    update = Update(mwaa, deployed)
    bring(dist, deployed, s3, mwaa)
    assert versions(s3, "plugins.zip") == uploaded
    assert update.request["PluginsS3ObjectVersion"] == uploaded[0]


def test_a_file_edited_in_the_bucket_is_brought_back(dist, s3, deployed):
    s3.put_object(Bucket=BUCKET, Key="dags/retrain.py", Body=b"edited")
    assert make_plan(NAME, deployed, dist, s3).uploads == ("retrain.py",)


def test_going_back_puts_the_earlier_release_in_force_again(dist, release, s3, mwaa, deployed):
    change(dist, "plugins.zip")
    change(dist, "dags/new_dag.py")
    update = Update(mwaa, deployed)
    bring(dist, deployed, s3, mwaa)
    back = Update(mwaa, update.environment)
    bring(release, update.environment, s3, mwaa)
    assert set(back.request) == {"Name", "PluginsS3Path", "PluginsS3ObjectVersion"}
    assert "dags/new_dag.py" not in keys(s3)
    assert s3.get_object(Bucket=BUCKET, Key="plugins.zip")["Body"].read() == (release / "plugins.zip").read_bytes()


def test_what_others_put_in_force_is_not_replaced_unless_told(dist, s3):
    version = s3.put_object(Bucket=BUCKET, Key="team/requirements.txt", Body=b"pandas")["VersionId"]
    theirs = Environment(RequirementsS3Path="team/requirements.txt", RequirementsS3ObjectVersion=version)
    with pytest.raises(DeploymentError, match=r"team/requirements\.txt in force .* was not put there by this command"):
        make_plan(NAME, theirs, dist, s3)
    plan = make_plan(NAME, theirs, dist, s3, replace=True)
    assert "upload, put in force: s3://an-mwaa-bucket/team/requirements.txt" in plan.lines()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"AirflowVersion": "3.0.6"}, "production runs Airflow 3.0.6; this release needs 3.3.1"),
        ({"Status": "UPDATING"}, "production is UPDATING; expected AVAILABLE"),
    ],
)
def test_an_environment_that_cannot_take_it_is_left_alone(dist, s3, changes, told):
    with pytest.raises(DeploymentError, match=told):
        make_plan(NAME, Environment(**changes), dist, s3)
    assert keys(s3) == set()


def test_a_bucket_without_versions_and_a_changed_dist_are_told(dist, s3):
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    with pytest.raises(DeploymentError, match="keeps no versions"):
        make_plan(NAME, Environment(), dist, s3)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    (dist / "plugins.zip").write_bytes(b"changed")
    with pytest.raises(DeploymentError, match="is not what its SHA256SUMS says; run make mwaa"):
        make_plan(NAME, Environment(), dist, s3)


def test_a_failed_update_is_told_with_its_reason_and_leaves_the_dag_files(dist, s3, mwaa, deployed):
    change(dist, "plugins.zip")
    change(dist, "dags/new_dag.py")
    error = {"ErrorCode": "INCORRECT_CONFIGURATION", "ErrorMessage": "the worker did not start"}
    failed = {"Status": "FAILED", "CreatedAt": BEFORE + timedelta(hours=2), "Error": error}
    Update(mwaa, deployed, Status="UPDATE_FAILED", LastUpdate=failed)
    with pytest.raises(DeploymentError, match=r"UPDATE_FAILED.*INCORRECT_CONFIGURATION: the worker did not start"):
        bring(dist, deployed, s3, mwaa)
    assert "dags/new_dag.py" not in keys(s3)


def test_an_environment_that_takes_too_long_is_told(dist, s3, mwaa, monkeypatch):
    monkeypatch.setattr(deployment, "WAIT_SECONDS", -1)
    mwaa.stubber.add_response("get_environment", {"Environment": Environment()})
    mwaa.stubber.add_response("update_environment", {"Arn": "a"})
    mwaa.stubber.add_response("get_environment", {"Environment": Environment(Status="UPDATING")})
    with pytest.raises(DeploymentError, match="is UPDATING after"):
        bring(dist, Environment(), s3, mwaa)


def test_another_version_in_force_than_was_asked_for_is_told():
    with pytest.raises(DeploymentError, match="expected PluginsS3ObjectVersion to be b, got a"):
        verify(NAME, Environment(PluginsS3ObjectVersion="a"), {"PluginsS3ObjectVersion": "b"})


# --- the command ---


@pytest.fixture
def service(s3, monkeypatch):
    """An MWAA that knows one environment and takes no updates."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.path == f"/environments/{NAME}"
            body = {"Environment": {**Environment(), "LastUpdate": {}}} if known else {"message": "no such environment"}
            text = json.dumps(body).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(text)))
            if not known:
                self.send_header("x-amzn-ErrorType", "ResourceNotFoundException")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_MWAA", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


def test_a_dry_run_prints_the_plan_and_writes_nothing(dist, s3, service, capsys):
    assert main([NAME, "--dist", str(dist), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [f"upload, put in force: s3://{BUCKET}/{name}" for name in FIELDS]
    assert f"upload: s3://{BUCKET}/dags/retrain.py" in lines
    assert lines[-1].startswith("update of production: plugins.zip, requirements.txt, startup.sh; 0 files")
    assert keys(s3) == set()


def test_what_is_wrong_is_told_without_a_traceback(dist, service, capsys):
    assert main(["other", "--dist", str(dist)]) == 1
    assert "AWS did not do it: " in (told := capsys.readouterr().err)
    assert "ResourceNotFoundException" in told
    assert "Traceback" not in told
    assert main([NAME, "--dist", "nowhere"]) == 1
    assert capsys.readouterr().err == "nowhere is not what its SHA256SUMS says; run make mwaa\n"
