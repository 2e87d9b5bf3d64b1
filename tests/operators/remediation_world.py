"""An endpoint with alarms and a policy, for tests of remediation: moto keeps it, updates are a switch."""

import json
from datetime import UTC, datetime, timedelta
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import boto3
import msgspec
from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException

from tests.operators.conftest import BUCKET, REGION
from watchkeeper.aws.event_inbox import ALARM_CHANGE
from watchkeeper.operators.act_on_incident import ActOnIncidentOperator
from watchkeeper.operators.approve_incident import ApproveIncidentOperator
from watchkeeper.operators.decide_remediation import DecideRemediationOperator
from watchkeeper.operators.drain_alarms import DrainAlarmsOperator
from watchkeeper.operators.report_incidents import NEXT_STEPS, ReportIncidentsOperator
from watchkeeper.operators.verify_incident import VerifyIncidentOperator

ERRORS = "watchkeeper/flights/AllTraffic/server_errors"
LATENCY = "watchkeeper/flights/AllTraffic/model_latency_p95"
VIOLATIONS = "watchkeeper/flights/AllTraffic/violations"
ROLE = "arn:aws:iam::123456789012:role/training"
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 50,
    "DestinationS3Uri": f"s3://{BUCKET}/capture",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}


def rule(*do: str, alarms: tuple[str, ...] = ("server_errors",), name: str = "errors", **fields: Any) -> dict[str, Any]:
    return {"name": name, "alarms": list(alarms), "do": list(do)} | fields


class Instance:
    """A task instance, as far as our operators ask it."""

    def __init__(self, world: "RemediationWorld") -> None:
        self.world = world
        self.dag_id, self.run_id, self.map_index = "remediate", world.run_id, -1
        self.pushed: dict[tuple[str, str], Any] = {}
        self.task_id = ""

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[self.task_id, key] = value

    def xcom_pull(self, task_ids: str, key: str = "return_value") -> Any:
        return self.pushed.get((task_ids, key))

    def get_dr_count(self, dag_id: str, run_ids: list[str] | None = None, states: list[str] | None = None) -> int:
        known = self.world.runs.get(dag_id, {})
        return sum(states is None or known[run] in states for run in run_ids or known if run in known)


class RemediationWorld:
    """One endpoint, its alarms, a queue, and runs of the DAG remediate."""

    def __init__(self, place: Any, monkeypatch: Any) -> None:
        self.place, self.monkeypatch = place, monkeypatch
        self.sagemaker = boto3.client("sagemaker", region_name=REGION)
        self.cloudwatch = boto3.client("cloudwatch", region_name=REGION)
        self.sqs = place.sqs
        self.url = self.sqs.create_queue(QueueName="alarms")["QueueUrl"]
        monkeypatch.setenv("WATCHKEEPER_ALARM_QUEUE_URL", self.url)
        self.updates: list[dict[str, Any]] = []
        self.runs: dict[str, dict[str, str]] = {"remediate": {}, "retrain": {}}
        self.run_id, self.rang = "", []
        self.on_update: Any = lambda: None
        self.rolls_back = False
        self._let_moto_update()
        self._make_endpoint()
        for name in (ERRORS, LATENCY, VIOLATIONS):
            self.alarm(name)

    # ---- what there is

    def endpoint(self, *rules: dict[str, Any], name: str = "flights", mode: str = "automatic", **changes: Any) -> None:
        """Write the endpoint's file; ``changes`` go into its remediation, ``endpoint`` into the file."""
        more = changes.pop("endpoint", {})
        self.place.endpoint(name, remediation={"mode": mode, "rules": list(rules)} | changes, **more)

    def alarm(self, name: str, state: str = "OK") -> None:
        self.cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/SageMaker",
            MetricName="Invocation5XXErrors",
            Dimensions=[{"Name": "EndpointName", "Value": "flights-delay"}],
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1.0,
            ComparisonOperator="GreaterThanThreshold",
        )
        self.set(state, name)

    def set(self, state: str, *names: str) -> None:
        for name in names or (ERRORS,):
            self.cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason=f"so that it is {state}")

    def ring(
        self, name: str = ERRORS, state: str = "ALARM", event_id: str = "e1", times: int = 1, at: str = ""
    ) -> None:
        """Put an alarm's event into the queue."""
        body = {
            "id": event_id,
            "detail-type": ALARM_CHANGE,
            "source": "aws.cloudwatch",
            "account": "123456789012",
            "region": REGION,
            "time": at or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "detail": {"alarmName": name, "state": {"value": state, "reason": "r"}},
        }
        for _ in range(times):
            self.sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps(body))

    def config(self, name: str, model: str = "old", *, tags: dict[str, str] | None = None) -> str:
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "AllTraffic",
                    "ModelName": model,
                    "InitialInstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "InitialVariantWeight": 1.0,
                }
            ],
            DataCaptureConfig=CAPTURE,
            Tags=[{"Key": key, "Value": value} for key, value in (tags or {}).items()],
        )
        return name

    @property
    def backend(self) -> Any:
        from moto.sagemaker.models import sagemaker_backends

        return sagemaker_backends["123456789012"][REGION].endpoints["flights-delay"]

    def serve(self, config: str) -> None:
        """Put a configuration in service, as somebody would by hand."""
        self.sagemaker.update_endpoint(EndpointName="flights-delay", EndpointConfigName=config)
        self.updates.clear()

    @property
    def serving(self) -> str:
        return self.sagemaker.describe_endpoint(EndpointName="flights-delay")["EndpointConfigName"]

    @property
    def instances(self) -> int:
        variants = self.sagemaker.describe_endpoint(EndpointName="flights-delay")["ProductionVariants"]
        return variants[0]["DesiredInstanceCount"]

    def status(self, status: str) -> None:
        self.backend.endpoint_status = status

    # ---- what Airflow does

    def context(self, run_id: str, **params: Any) -> dict[str, Any]:
        self.run_id = run_id
        self.runs["remediate"].setdefault(run_id, "running")
        events: dict[Any, Any] = {NEXT_STEPS: SimpleNamespace(add=lambda asset: self.rang.append(asset.name))}
        run = SimpleNamespace(dag_id="remediate", run_id=run_id, run_type="scheduled", run_after=None)
        return {"params": params, "dag_run": run, "ti": Instance(self), "outlet_events": events}

    def run(self, run_id: str = "r1", **params: Any) -> SimpleNamespace:
        """Run the DAG: every task once, as long as none waits; return what came of it."""
        context = self.context(run_id, **params)
        instance = context["ti"]
        self.task(DrainAlarmsOperator(task_id="drain"), context)
        chosen = self.task(DecideRemediationOperator(task_id="decide"), context)
        outcomes = [self.work(item, context) for item in chosen or []]
        report = self.task(ReportIncidentsOperator(task_id="report"), context)
        self.runs["remediate"][run_id] = "success"
        return SimpleNamespace(chosen=chosen, outcomes=outcomes, report=report, instance=instance)

    def work(self, item: dict[str, str], context: dict[str, Any]) -> Any:
        """Do the steps of one incident as the DAG's group does; what is skipped ends it."""
        for operator in (
            ApproveIncidentOperator(task_id="approve", **item),
            ActOnIncidentOperator(task_id="act", **item),
            VerifyIncidentOperator(task_id="verify", waiter_delay=1, deferrable=True, **item),
        ):
            try:
                result = self.task(operator, context)
            except AirflowSkipException as skip:
                return f"skipped: {skip}"
        return result

    def task(self, operator: Any, context: dict[str, Any]) -> Any:
        context["ti"].task_id = operator.task_id
        try:
            result = operator.execute(context)
        except DagRunTriggerException as start:
            self.runs[start.trigger_dag_id][start.dag_run_id] = "queued"
            self.started = start
            result = None
        context["ti"].pushed[operator.task_id, "return_value"] = result
        return result

    # ---- what came of it

    @cached_property
    def incidents(self) -> Any:
        return self.place.deployment.incidents

    def records(self, endpoint: str = "flights") -> tuple[Any, ...]:
        return self.incidents.incidents(endpoint)

    @property
    def record(self) -> Any:
        (only,) = self.records()
        return only

    def states(self) -> list[str]:
        return [event.state for event in self.record.history]

    def stages(self) -> list[tuple[str, str]]:
        """Return stage and severity of the messages that were sent."""
        found = []
        for message in self.place.messages():
            attributes = {name: value["Value"] for name, value in message["MessageAttributes"].items()}
            found.append((attributes.get("stage", attributes["kind"]), attributes["severity"]))
        return found

    def long_ago(self, minutes: int = 60) -> None:
        """Let the newest step have been done, and its alarm have been waited for, so long ago."""
        past = (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")

        def change(record: Any) -> Any:
            step = record.step
            moved = {name: past for name in ("settled_at", "watched_until") if getattr(step, name)}
            return msgspec.structs.replace(record, steps=record.with_step(**moved))

        self.incidents.update("flights", self.record.incident_id, change)

    # ---- moto

    def _make_endpoint(self) -> None:
        for model in ("old", "new"):
            self.sagemaker.create_model(
                ModelName=model, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "i", "ModelDataUrl": "s3://b/m"}
            )
        self.config("first")
        self.config("second", "new")
        self.sagemaker.create_endpoint(EndpointName="flights-delay", EndpointConfigName="first")

    def _let_moto_update(self) -> None:
        from moto.core.responses import ActionResult
        from moto.sagemaker.responses import SageMakerResponse

        world = self

        def update_endpoint(response: Any) -> Any:
            backend = response.sagemaker_backend
            name = response._get_param("EndpointConfigName")
            endpoint = backend.endpoints[response._get_param("EndpointName")]
            world.updates.append({"config": name, "retain": response._get_param("RetainAllVariantProperties")})
            if not world.rolls_back:
                counts = {item["VariantName"]: item["CurrentInstanceCount"] for item in endpoint.production_variants}
                endpoint.endpoint_config_name = name
                variants = backend.endpoint_configs[name].production_variants
                endpoint.production_variants = endpoint._process_production_variants(variants)
                for running in endpoint.production_variants:
                    count = counts.get(running["VariantName"], 1)
                    running.update(CurrentInstanceCount=count, DesiredInstanceCount=count)
            world.on_update()
            return ActionResult({"EndpointArn": endpoint.arn})

        def update_weights(response: Any) -> Any:
            endpoint = response.sagemaker_backend.endpoints[response._get_param("EndpointName")]
            wanted = response._get_param("DesiredWeightsAndCapacities")
            world.updates.append({"wanted": wanted})
            for change in wanted:
                for running in endpoint.production_variants:
                    if running["VariantName"] == change["VariantName"]:
                        if "DesiredInstanceCount" in change:
                            count = change["DesiredInstanceCount"]
                            running.update(CurrentInstanceCount=count, DesiredInstanceCount=count)
                        if "DesiredWeight" in change:
                            running.update(CurrentWeight=change["DesiredWeight"], DesiredWeight=change["DesiredWeight"])
            world.on_update()
            return ActionResult({"EndpointArn": endpoint.arn})

        for name, answer in (
            ("update_endpoint", update_endpoint),
            ("update_endpoint_weights_and_capacities", update_weights),
        ):
            self.monkeypatch.setattr(SageMakerResponse, name, answer, raising=False)


def bad_deployment(world: RemediationWorld) -> None:
    """Let the first configuration be seen in service, then the second raise errors."""
    world.run("quiet")
    world.serve("second")
    world.run("seen")
    world.set("ALARM")
    world.ring()
    world.on_update = lambda: world.set("OK")


def first_steps(world: RemediationWorld, context: dict[str, Any]) -> list[dict[str, str]]:
    """Drain and decide."""
    world.task(DrainAlarmsOperator(task_id="drain"), context)
    return world.task(DecideRemediationOperator(task_id="decide"), context)


def finish(world: RemediationWorld, item: dict[str, str] | None, context: dict[str, Any]) -> dict[str, Any]:
    """Come back from the trigger, if something was waited for, and report."""
    if item is not None:
        operator = VerifyIncidentOperator(task_id="verify", waiter_delay=1, deferrable=True, **item)
        operator.execute_complete(context, {"status": "error"})
    return world.task(ReportIncidentsOperator(task_id="report"), context)


def now() -> datetime:
    return datetime.now(UTC)
