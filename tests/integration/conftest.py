"""A deployment in the sandbox: buckets, a topic that is listened to, endpoint files, and captured traffic."""

import io
import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import airflow_home
from tests.sandbox_process import PYTHON, SandboxProcess
from watchkeeper.registry.capture_window import HOUR, Window, day_floor

DAGS = airflow_home.REPOSITORY / "dags"
COLUMNS = ("delay", "distance", "carrier")
OUTPUT = ("late",)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    if not PYTHON.exists():
        pytest.skip("the sandbox's environment is missing: run `make setup`")
    with SandboxProcess(tmp_path_factory.mktemp("sandbox")) as process:
        yield process


@pytest.fixture(scope="session")
def airflow_database() -> None:
    from airflow.utils.db import initdb

    initdb()


class World:
    """One deployment, alone in buckets and a topic of its own."""

    def __init__(self, sandbox: SandboxProcess, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sandbox = sandbox
        self.name = f"t{uuid.uuid4().hex[:10]}"
        self.folder = folder / "endpoints"
        self.folder.mkdir()
        self.s3 = sandbox.client("s3")
        self.bucket, self.captures = f"{self.name}-wk", f"{self.name}-capture"
        for bucket in (self.bucket, self.captures):
            self.s3.create_bucket(Bucket=bucket)
        sns, self.sqs = sandbox.client("sns"), sandbox.client("sqs")
        self.topic = sns.create_topic(Name=self.name)["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        for name, value in {
            "BUCKET": self.bucket,
            "PREFIX": "wk",
            "ENDPOINTS": str(self.folder),
            "TOPIC_ARN": self.topic,
        }.items():
            monkeypatch.setenv(f"WATCHKEEPER_{name}", value)

    # ---- what is declared

    def endpoint(self, endpoint: str = "flights", **changes: Any) -> None:
        """Write an endpoint's file; ``changes`` replace whole sections."""
        document = {
            "endpoint_name": f"{self.name}-{endpoint}",
            "owner": "flight-ops",
            "model_version": "1",
            "grace_minutes": 0,
            "capture": {
                "s3_uri": f"s3://{self.captures}/data",
                "input_columns": list(COLUMNS),
                "output_columns": list(OUTPUT),
            },
            "monitors": {"data_quality": {"minimum_rows": 20}},
            "baseline": {"dataset": f"s3://{self.captures}/train/{endpoint}.csv"},
        }
        (self.folder / f"{endpoint}.yaml").write_text(yaml.safe_dump(document | changes))

    def dataset(self, endpoint: str = "flights", rows: int = 2000) -> None:
        """Write the training data that the endpoint's file names."""
        lines = [",".join((*OUTPUT, *COLUMNS))]
        lines += [",".join(row) for row in traffic(rows, seed=1)]
        self.put(f"train/{endpoint}.csv", "\n".join(lines) + "\n")

    # ---- what happens

    def capture(
        self, window: Window, rows: int = 200, *, endpoint: str = "flights", part: int = 0, **shape: Any
    ) -> None:
        """Write one capture file of an hour, one row per line."""
        records = [
            capture_line(row, window.start + timedelta(seconds=number))
            for number, row in enumerate(traffic(rows, seed=window.start.hour + part, **shape))
        ]
        self.capture_text(window, "".join(records), endpoint=endpoint, part=part)

    def capture_text(self, window: Window, text: str | bytes, *, endpoint: str = "flights", part: int = 0) -> None:
        """Write one capture file of an hour with this very content."""
        key = f"data/{self.name}-{endpoint}/AllTraffic/{window.start_path}/{part:02d}-00-000-{uuid.uuid4()}.jsonl"
        self.put(key, text)

    def invocations(self, window: Window, count: float, endpoint: str = "flights") -> None:
        """Let the endpoint's own metric count invocations."""
        self.sandbox.client("cloudwatch").put_metric_data(
            Namespace="AWS/SageMaker",
            MetricData=[
                {
                    "MetricName": "Invocations",
                    "Dimensions": [
                        {"Name": "EndpointName", "Value": f"{self.name}-{endpoint}"},
                        {"Name": "VariantName", "Value": "AllTraffic"},
                    ],
                    "Timestamp": window.start,
                    "Value": count,
                }
            ],
        )

    def put(self, key: str, text: str | bytes) -> None:
        """Write an object to the bucket of captures."""
        self.s3.put_object(Bucket=self.captures, Key=key, Body=text.encode() if isinstance(text, str) else text)

    # ---- what Airflow does

    def run(self, dag_id: str, *, logical_date: datetime | None = None, **params: Any) -> Any:
        """Run a DAG to its end in this process and return the run."""
        dag = load_dag(dag_id)
        moment = datetime.now(UTC)
        return dag.test(
            run_after=logical_date or moment,
            logical_date=logical_date or moment,
            run_conf=params,
        )

    def judge(self, window: Window, dag_id: str = "monitor_hourly", **params: Any) -> Any:
        """Run a monitoring DAG over a window."""
        return self.run(dag_id, window_start=window.start.isoformat(), window_end=window.end.isoformat(), **params)

    # ---- what came of it

    def stored(self, folder: str = "") -> dict[str, str]:
        """Return keys and entity tags below a folder of the report store."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"wk/{folder}")
        return {item["Key"][3:]: item["ETag"] for page in pages for item in page.get("Contents", [])}

    def read(self, key: str) -> bytes:
        """Return an object of the report store."""
        return self.s3.get_object(Bucket=self.bucket, Key=f"wk/{key}")["Body"].read()

    def result(self, window: Window, endpoint: str = "flights", period: str = "hourly") -> dict[str, Any]:
        """Return a window's newest result."""
        folder = f"reports/{endpoint}/AllTraffic/{endpoint}-data_quality-{period}/{window.end_path}"
        return json.loads(self.read(f"{folder}/result.json"))

    def ledger(self) -> Any:
        """Return every row of the ledger, all revisions."""
        import polars as pl

        found = list(self.stored("ledger/"))
        frames = [pl.read_parquet(io.BytesIO(self.read(key))) for key in found]
        return pl.concat(frames).sort("window_start", "endpoint", "revision") if frames else pl.DataFrame()

    def messages(self) -> list[dict[str, Any]]:
        """Return and take away the SNS messages that were delivered, as their envelopes."""
        found = []
        while batch := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return found


def traffic(
    rows: int, *, seed: int, shift: float = 0.0, broken: bool = False, blanks: float = 0.0
) -> Iterator[list[str]]:
    """Yield rows (output first): ``shift`` moves the delay, ``broken`` puts words in its place."""
    chance = random.Random(seed)
    for _ in range(rows):
        delay = "late" if broken and chance.random() < 0.5 else f"{chance.gauss(10 + shift, 5):.2f}"
        distance = "" if chance.random() < blanks else str(chance.randint(100, 3000))
        yield [f"{chance.random():.4f}", delay, distance, chance.choice(["AA", "UA", "DL"])]


def capture_line(row: list[str], moment: datetime) -> str:
    """Return a captured line: the row's first value is the response."""
    record = {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": ",".join(row[1:]),
                "encoding": "CSV",
            },
            "endpointOutput": {
                "observedContentType": "text/csv; charset=utf-8",
                "mode": "OUTPUT",
                "data": f"{row[0]}\n",
                "encoding": "CSV",
            },
        },
        "eventMetadata": {"eventId": str(uuid.uuid4()), "inferenceTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}"},
        "eventVersion": "0",
    }
    return json.dumps(record, separators=(",", ":")) + "\n"


def load_dag(dag_id: str, retries: int = 0) -> Any:
    """Return a DAG of the repository; retries are left to tests that want them, since they take time."""
    from airflow.dag_processing.dagbag import DagBag

    dag = DagBag(DAGS / f"{dag_id}.py").dags[dag_id]
    for task in dag.tasks:
        if hasattr(task, "partial_kwargs"):
            task.partial_kwargs |= {"retries": retries, "retry_delay": timedelta(seconds=0)}
        else:
            task.retries, task.retry_delay = retries, timedelta(seconds=0)
    return dag


@pytest.fixture
def world(sandbox: SandboxProcess, airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(sandbox, tmp_path, monkeypatch)


@pytest.fixture
def watched(world: World) -> World:
    """A deployment with one endpoint that has a baseline."""
    world.endpoint()
    world.dataset()
    assert str(world.run("baseline").state) == "success"
    return world


@pytest.fixture
def hour() -> Window:
    """The last complete hour: fresh enough to alert."""
    return Window.hour_of(datetime.now(UTC) - HOUR)


@pytest.fixture
def past_hour() -> Window:
    """An hour of three days ago: too old to act on."""
    return Window.hour_of(day_floor(datetime.now(UTC)) - timedelta(days=3) + 5 * HOUR)
