"""Bring ``dist/`` to an Amazon MWAA environment: ``python -m tools.mwaa.deployment NAME [--dry-run]``.

Whatever is there already is left as it is, so a deployment that was cut short is taken up by the next one. The
environment is updated (which takes MWAA half an hour) only where the plugin, the requirements or the startup script
differ from those in force; DAG files and include/ follow when the code that they need is there.
"""

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.mwaa.bundle import CHECKSUMS, ROOT, checksum_text

AIRFLOW_VERSION = "3.3.1"
#: User metadata of every object that this command writes: the digest of its bytes.
DIGEST = "watchkeeper-sha256"
#: What was deployed last below the DAG folder, so that what is shipped no more is removed, and nobody else's file is.
MANIFEST = "include/deployed.txt"
#: MWAA takes 20 to 30 minutes.
WAIT_SECONDS = 90 * 60
POLL_SECONDS = 30

#: The files of dist/ that UpdateEnvironment names, and what the fields of the environment begin with.
_FIELDS = {"plugins.zip": "Plugins", "requirements.txt": "Requirements", "startup.sh": "StartupScript"}
#: MWAA brings an environment whose update failed back to what it was, and takes another update then.
_UPDATABLE = frozenset({"AVAILABLE", "UPDATE_FAILED"})
_SETTLED = frozenset({*_UPDATABLE, "UNAVAILABLE", "CREATE_FAILED", "DELETED"})


class DeploymentError(Exception):
    """The environment, its bucket or ``dist/`` is not as a deployment needs it."""


@dataclass(frozen=True)
class Artifact:
    """A file of ``dist/`` that the environment names by key and version; ``version`` is None until it is uploaded."""

    name: str
    key: str
    digest: str
    version: str | None
    in_force: bool


@dataclass(frozen=True)
class Plan:
    """What a deployment is going to do. ``uploads`` and ``removals`` are keys below the DAG folder."""

    name: str
    bucket: str
    dags: str
    artifacts: tuple[Artifact, ...]
    uploads: tuple[str, ...]
    removals: tuple[str, ...]
    unchanged: int

    @property
    def outdated(self) -> tuple[Artifact, ...]:
        """What the environment has to be updated for."""
        return tuple(artifact for artifact in self.artifacts if not artifact.in_force)

    def lines(self) -> list[str]:
        """Return the plan as people read it."""
        told = []
        for artifact in self.artifacts:
            state = "in force" if artifact.in_force else "put in force" if artifact.version else "upload, put in force"
            told.append(f"{state}: s3://{self.bucket}/{artifact.key}")
        told += [f"upload: s3://{self.bucket}/{self.dags}{key}" for key in self.uploads]
        told += [f"remove: s3://{self.bucket}/{self.dags}{key}" for key in self.removals]
        update = ", ".join(artifact.name for artifact in self.outdated)
        told.append(
            f"update of {self.name}: {update or 'none'}; {self.unchanged} files below {self.dags} are as they are"
        )
        return told


def make_plan(name: str, environment: Mapping[str, Any], dist: Path, s3: Any, *, replace: bool = False) -> Plan:
    """Return what bringing ``dist`` to an environment takes; nothing is written.

    :param environment: what GetEnvironment answers.
    :param replace: whether files in force that are not of this command's may be replaced.

    DeploymentError where the environment cannot be updated now, or runs something else than was built.
    """
    _require_ready(name, environment)
    bucket = str(environment["SourceBucketArn"]).rpartition(":")[2]
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        message = f"s3://{bucket} keeps no versions, by which MWAA knows what to run; enable its versioning"
        raise DeploymentError(message)
    dags = str(environment["DagS3Path"]).strip("/") + "/"
    files = _dag_files(dist)
    changed = tuple(key for key, digest in files.items() if _digest(s3, bucket, dags + key) != digest)
    before = _manifest(s3, bucket, dags)
    # An earlier release that is put in force again finds its constraints.
    gone = tuple(sorted(key for key in before - files.keys() if not key.startswith("include/constraints-")))
    artifacts = tuple(_artifact(file, environment, dist, s3, replace) for file in _FIELDS)
    return Plan(name, bucket, dags, artifacts, changed, gone, len(files) - len(changed))


def deploy(plan: Plan, dist: Path, s3: Any, mwaa: Any, *, graceful: bool = False, tell: Callable[[str], None]) -> None:
    """Do what a plan says, wait for the environment and verify what is in force.

    :param graceful: whether workers end when their tasks have ended, instead of at once.
    """
    # Before the update: new workers look for them. No one else reads them.
    for key in plan.uploads:
        if key.startswith("include/constraints-"):
            _upload(s3, plan.bucket, plan.dags + key, (dist / "dags" / key).read_bytes())
    request: dict[str, Any] = {}
    for artifact in plan.outdated:
        body = (dist / artifact.name).read_bytes()
        version = artifact.version or _upload(s3, plan.bucket, artifact.key, body)
        request |= {f"{_FIELDS[artifact.name]}S3Path": artifact.key}
        request |= {f"{_FIELDS[artifact.name]}S3ObjectVersion": version}
    if request:
        before = mwaa.get_environment(Name=plan.name)["Environment"].get("LastUpdate", {}).get("CreatedAt")
        strategy = {"WorkerReplacementStrategy": "GRACEFUL"} if graceful else {}
        mwaa.update_environment(Name=plan.name, **request, **strategy)
        tell(f"updating {plan.name}; MWAA takes 20 to 30 minutes")
        _wait(plan.name, mwaa, request, before, tell)
    files = _dag_files(dist)
    if plan.uploads or plan.removals:
        # Known before they are there and until they are gone: whatever is cut short, the next deployment removes.
        _write_manifest(s3, plan, {*files, *plan.removals})
        for key in plan.uploads:
            if not key.startswith("include/constraints-"):
                _upload(s3, plan.bucket, plan.dags + key, (dist / "dags" / key).read_bytes())
        for key in plan.removals:
            s3.delete_object(Bucket=plan.bucket, Key=plan.dags + key)
        _write_manifest(s3, plan, set(files))
    tell(f"{plan.name} runs this release; DAG files are read within a minute")


def verify(name: str, environment: Mapping[str, Any], wanted: Mapping[str, str]) -> None:
    """Raise DeploymentError unless the environment is available, updated, and has ``wanted`` in force."""
    last = environment.get("LastUpdate", {})
    error = last.get("Error", {})
    if environment["Status"] != "AVAILABLE" or last.get("Status") != "SUCCESS":
        why = f"{error.get('ErrorCode', 'no code')}: {error.get('ErrorMessage', 'no reason is given')}"
        message = f"{name} is {environment['Status']}, its last update {last.get('Status')} ({why}); see docs/mwaa.md"
        raise DeploymentError(message)
    for field, value in wanted.items():
        if environment.get(field) != value:
            message = f"{name}: expected {field} to be {value}, got {environment.get(field)}; was it updated by others?"
            raise DeploymentError(message)


def _require_ready(name: str, environment: Mapping[str, Any]) -> None:
    if environment["AirflowVersion"] != AIRFLOW_VERSION:
        message = f"{name} runs Airflow {environment['AirflowVersion']}; this release needs {AIRFLOW_VERSION}"
        raise DeploymentError(message)
    if environment["Status"] not in _UPDATABLE:
        message = f"{name} is {environment['Status']}; expected AVAILABLE. Wait, then deploy again"
        raise DeploymentError(message)


def _wait(name: str, mwaa: Any, wanted: Mapping[str, str], before: object, tell: Callable[[str], None]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    status = ""
    while True:
        environment = mwaa.get_environment(Name=name)["Environment"]
        if environment["Status"] != status:
            status = environment["Status"]
            tell(f"{name} is {status}")
        # Right after the call, an environment may still tell of the update before.
        last = environment.get("LastUpdate", {})
        if status in _SETTLED and last.get("CreatedAt") != before and last.get("Status") != "PENDING":
            verify(name, environment, wanted)
            return
        if time.monotonic() > deadline:
            message = f"{name} is {status} after {WAIT_SECONDS // 60} minutes; deploy again once it is AVAILABLE"
            raise DeploymentError(message)
        time.sleep(POLL_SECONDS)


def _artifact(name: str, environment: Mapping[str, Any], dist: Path, s3: Any, replace: bool) -> Artifact:
    field = _FIELDS[name]
    bucket = str(environment["SourceBucketArn"]).rpartition(":")[2]
    key = str(environment.get(f"{field}S3Path") or name).lstrip("/")
    digest = hashlib.sha256((dist / name).read_bytes()).hexdigest()
    in_force = environment.get(f"{field}S3ObjectVersion")
    if in_force:
        found = _digest(s3, bucket, key, in_force)
        if found == digest:
            return Artifact(name, key, digest, in_force, in_force=True)
        if found is None and not replace:
            message = (
                f"s3://{bucket}/{key} in force (version {in_force}) was not put there by this command; bring what it"
                " holds into this repository, then deploy with --replace"
            )
            raise DeploymentError(message)
    return Artifact(name, key, digest, _version_of(s3, bucket, key, digest), in_force=False)


def _version_of(s3: Any, bucket: str, key: str, digest: str) -> str | None:
    """Return the newest version of an object if it has these bytes: an earlier deployment got that far."""
    head = _head(s3, bucket, key)
    return str(head["VersionId"]) if head and head.get("Metadata", {}).get(DIGEST) == digest else None


def _dag_files(dist: Path) -> dict[str, str]:
    """Return the digests of what goes below the DAG folder; DeploymentError where dist is not what was built."""
    try:
        listed = (dist / CHECKSUMS).read_text(encoding="utf-8")
    except FileNotFoundError:
        listed = ""
    if not listed or listed != checksum_text(dist):
        message = f"{dist} is not what its {CHECKSUMS} says; run make mwaa"
        raise DeploymentError(message)
    pairs = [line.split("  ", 1) for line in listed.splitlines()]
    return {name.removeprefix("dags/"): digest for digest, name in pairs if name.startswith("dags/")}


def _manifest(s3: Any, bucket: str, dags: str) -> set[str]:
    if _head(s3, bucket, dags + MANIFEST) is None:
        return set()
    return set(s3.get_object(Bucket=bucket, Key=dags + MANIFEST)["Body"].read().decode().splitlines())


def _write_manifest(s3: Any, plan: Plan, keys: set[str]) -> None:
    _upload(s3, plan.bucket, plan.dags + MANIFEST, "".join(f"{key}\n" for key in sorted(keys)).encode())


def _digest(s3: Any, bucket: str, key: str, version: str | None = None) -> str | None:
    """Return the digest that this command noted on an object; None where it did not write it."""
    head = _head(s3, bucket, key, version)
    return None if head is None else head.get("Metadata", {}).get(DIGEST)


def _head(s3: Any, bucket: str, key: str, version: str | None = None) -> Mapping[str, Any] | None:
    from botocore.exceptions import ClientError

    try:
        answer: Mapping[str, Any] = s3.head_object(
            Bucket=bucket, Key=key, **({"VersionId": version} if version else {})
        )
    except ClientError as error:
        if error.response["Error"]["Code"] in {"404", "NoSuchKey", "NotFound"}:
            return None
        raise
    return answer


def _upload(s3: Any, bucket: str, key: str, body: bytes) -> str:
    """Write an object with its digest and return its version."""
    metadata = {DIGEST: hashlib.sha256(body).hexdigest()}
    answer = s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata, ChecksumAlgorithm="SHA256")
    return str(answer["VersionId"])


def main(arguments: list[str] | None = None) -> int:
    """Deploy from the command line; return the exit status."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    from watchkeeper.aws.client_access import retrying

    parser = argparse.ArgumentParser(prog="python -m tools.mwaa.deployment", description=__doc__)
    parser.add_argument("name", help="the environment's name")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="what make mwaa built (default: dist)")
    parser.add_argument("--region-name", help="the environment's region (default: that of the AWS configuration)")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and write nothing")
    parser.add_argument("--graceful", action="store_true", help="let running tasks end before their worker is replaced")
    parser.add_argument("--replace", action="store_true", help="replace files in force that others put there")
    options = parser.parse_args(arguments)
    try:
        session = boto3.Session(region_name=options.region_name)
        # AWS's own endpoint has a host for the API below it; one that was told by its URL has not.
        told = any(name in os.environ for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_MWAA"))
        mwaa = session.client("mwaa", config=retrying(Config(inject_host_prefix=not told)))
        s3 = session.client("s3", config=retrying(None))
        environment = mwaa.get_environment(Name=options.name)["Environment"]
        plan = make_plan(options.name, environment, options.dist, s3, replace=options.replace)
        print("\n".join(plan.lines()))
        if not options.dry_run:
            deploy(plan, options.dist, s3, mwaa, graceful=options.graceful, tell=lambda text: print(text, flush=True))
    except DeploymentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(f"AWS did not do it: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
