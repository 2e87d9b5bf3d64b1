"""Deploying into the sandbox, by the same API calls as into AWS.

Bucket, topic, queue, models, endpoints, baseline datasets: everything is by name, so deploying again changes nothing.
"""

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
from botocore.exceptions import ClientError

from sandbox.aws_client import ACCOUNT, local_client
from sandbox.linear_model import LinearModel
from sandbox.model_archive import IMAGE
from sandbox.model_container import CSV, JSON, JSON_LINES
from sandbox.traffic.request_stream import DATA_SETS, DataSet
from sandbox.traffic.scene import Scene, Successor

BUCKET = "watchkeeper"
TOPIC = "watchkeeper-alerts"
QUEUE = "watchkeeper-alerts"
EVENT_QUEUES = {"alarm_queue_url": "watchkeeper-alarms", "event_queue_url": "watchkeeper-platform-events"}
"""Queues into which EventBridge's rules may send, by the name under which the summary tells of them."""
CAPTURE_URI = f"s3://{BUCKET}/capture"
ROLE = "arn:aws:iam::123456789012:role/sandbox-sagemaker"
_EXISTING = "ValidationException"

Progress = Callable[[str], object]


def capture_config(sampling_percentage: int = 100) -> dict[str, Any]:
    """Return the DataCaptureConfig of the sandbox's endpoints."""
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": sampling_percentage,
        "DestinationS3Uri": CAPTURE_URI,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": [CSV], "JsonContentTypes": [JSON, JSON_LINES]},
    }


def deploy(
    url: str,
    scenes: Sequence[Scene],
    *,
    without_capture: Sequence[str] = (),
    event_queues: bool = False,
    progress: Progress,
) -> dict[str, Any]:
    """Deploy the scenes' endpoints and return what was made: bucket, ``topic_arn``, ``queue_url``, endpoints.

    ``event_queues`` makes those for EventBridge too; its rules are the product's own.
    """
    s3 = local_client("s3", url)
    _tolerating("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket=BUCKET)
    topic_arn, queue_url = _alert_channel(url)
    progress(f"bucket s3://{BUCKET}, topic {topic_arn}, queue {queue_url}")
    endpoints: list[dict[str, Any]] = []
    for scene in scenes:
        data = DATA_SETS[scene.endpoint]
        model = trained_model(scene, data, scene.ignored)
        progress(f"{scene.endpoint}: trained on {scene.trained_from:%d %b %Y} to {scene.trained_until:%d %b %Y}")
        artifact = f"models/{scene.endpoint}/model.tar.gz"
        s3.put_object(Bucket=BUCKET, Key=artifact, Body=model.to_artifact())
        dataset, rows = _baseline(s3, scene, data, model)
        progress(f"{scene.endpoint}: baseline of {rows} rows at {dataset}")
        capture = None if scene.endpoint in without_capture else capture_config()
        config_name = _config(url, scene, _container(url, scene, f"s3://{BUCKET}/{artifact}"), capture)
        _tolerating(
            _EXISTING,
            local_client("sagemaker", url).create_endpoint,
            EndpointName=scene.endpoint,
            EndpointConfigName=config_name,
        )
        endpoints.append(
            {
                "endpoint": scene.endpoint,
                "baseline": dataset,
                "labelled_baseline": _labelled_baseline(s3, scene, data, model),
                "rows": rows,
                "capture": bool(capture),
            }
        )
    for entry in endpoints:
        _wait_in_service(url, entry["endpoint"])
        progress(f"{entry['endpoint']}: in service, capture {'on' if entry['capture'] else 'off'}")
    return {
        "bucket": BUCKET,
        "topic_arn": topic_arn,
        "queue_url": queue_url,
        "role_arn": ROLE,
        "training_image": IMAGE,
        "endpoints": endpoints,
        **({told: _event_queue(url, name) for told, name in EVENT_QUEUES.items()} if event_queues else {}),
    }


def succeed(url: str, scenes: Sequence[Scene], *, progress: Progress) -> dict[str, Any]:
    """Bring the scenes' successors into service in place of the models deployed, and return their configurations."""
    sagemaker, s3 = local_client("sagemaker", url), local_client("s3", url)
    in_service = {}
    for scene in scenes:
        if scene.successor is None:
            continue
        artifact = f"models/{scene.endpoint}/model.tar.gz"
        if scene.successor.ignored != scene.ignored:
            model = trained_model(scene, DATA_SETS[scene.endpoint], scene.successor.ignored)
            artifact = f"models/{scene.endpoint}/model-2.tar.gz"
            s3.put_object(Bucket=BUCKET, Key=artifact, Body=model.to_artifact())
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/{artifact}", **_environment(scene.successor)}
        config_name = _config(url, scene, container, capture_config(), version=2)
        if sagemaker.describe_endpoint(EndpointName=scene.endpoint)["EndpointConfigName"] != config_name:
            sagemaker.update_endpoint(EndpointName=scene.endpoint, EndpointConfigName=config_name)
        _wait_in_service(url, scene.endpoint)
        in_service[scene.endpoint] = config_name
        progress(f"{scene.endpoint}: {config_name} in service")
    return {"in_service": in_service}


def _alert_channel(url: str) -> tuple[str, str]:
    """Make the topic and a queue subscribed to it, so that what was published can be read afterwards."""
    sns = local_client("sns", url)
    topic_arn = sns.create_topic(Name=TOPIC)["TopicArn"]
    queue_url, queue_arn = _queue(url, QUEUE, "sns.amazonaws.com", {"ArnEquals": {"aws:SourceArn": topic_arn}})
    subscribed = {s["Endpoint"] for s in sns.list_subscriptions_by_topic(TopicArn=topic_arn)["Subscriptions"]}
    if queue_arn not in subscribed:
        sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn)
    return topic_arn, queue_url


def _event_queue(url: str, name: str) -> str:
    return _queue(url, name, "events.amazonaws.com", {"StringEquals": {"aws:SourceAccount": ACCOUNT}})[0]


def _queue(url: str, name: str, principal: str, condition: dict[str, Any]) -> tuple[str, str]:
    """Make a queue into which a service may send, and return its URL and ARN."""
    sqs = local_client("sqs", url)
    queue_url = sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": "1209600"})["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": condition,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": policy})
    return queue_url, queue_arn


def trained_model(scene: Scene, data: DataSet, ignored: Sequence[str]) -> LinearModel:
    """Return the scene's model as it is deployed, trained on the rows before the span; some inputs are ignored."""
    rows = data.between(scene.trained_from, scene.trained_until).drop_nulls([*data.inputs, data.target])
    return LinearModel.train(
        rows.select(data.inputs).to_dict(as_series=False),
        kind=data.kind,
        inputs=data.inputs,
        target=rows[data.target].to_list(),
        output=data.output,
        ignored=ignored,
    )


def _baseline(s3: Any, scene: Scene, data: DataSet, model: LinearModel) -> tuple[str, int]:
    """Put the weeks before the span with the model's predictions, output column first, and return URI and rows."""
    rows = data.between(scene.baseline_from, scene.baseline_until or scene.starts).select(data.inputs)
    table = rows.select(pl.Series(data.output, model.predict(rows.to_dict(as_series=False))), *data.inputs)
    return _put_table(s3, scene, data, "baseline", table), table.height


def _labelled_baseline(s3: Any, scene: Scene, data: DataSet, model: LinearModel) -> str:
    """Put the same weeks' labels beside predictions and inputs, for model quality and bias, and return the URI."""
    rows = data.between(scene.baseline_from, scene.baseline_until or scene.starts).drop_nulls(data.target)
    predictions = model.predict(rows.select(data.inputs).to_dict(as_series=False))
    table = rows.select(data.target, pl.Series(data.output, predictions), *data.inputs)
    return _put_table(s3, scene, data, "model_quality", table)


def _put_table(s3: Any, scene: Scene, data: DataSet, stem: str, table: pl.DataFrame) -> str:
    packed = io.BytesIO()
    if data.order is None:
        table.write_csv(packed)
    else:
        table.write_ndjson(packed)
    key = f"datasets/{scene.endpoint}/{stem}.{'csv' if data.order is None else 'jsonl'}"
    s3.put_object(Bucket=BUCKET, Key=key, Body=packed.getvalue())
    return f"s3://{BUCKET}/{key}"


def _container(url: str, scene: Scene, artifact: str) -> dict[str, Any]:
    """Return the model's container: the artifact itself, or the first package of the endpoint's group."""
    container = {"Image": IMAGE, "ModelDataUrl": artifact, **_environment(scene)}
    if not scene.registered:
        return container
    sagemaker = local_client("sagemaker", url)
    group = scene.endpoint
    if not sagemaker.list_model_package_groups(NameContains=group)["ModelPackageGroupSummaryList"]:
        sagemaker.create_model_package_group(ModelPackageGroupName=group)
    registered = sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
    if registered:
        return {"ModelPackageName": min(package["ModelPackageArn"] for package in registered)}
    made = sagemaker.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": [CSV, JSON, JSON_LINES],
            "SupportedResponseMIMETypes": [CSV, JSON, JSON_LINES],
            "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large"],
        },
        CustomerMetadataProperties={"endpoint_id": scene.endpoint},
    )
    return {"ModelPackageName": made["ModelPackageArn"]}


def _environment(served: Scene | Successor) -> dict[str, Any]:
    return {"Environment": dict(served.environment)} if served.environment else {}


def _config(url: str, scene: Scene, container: dict[str, Any], capture: dict[str, Any] | None, version: int = 1) -> str:
    """Make a model and an endpoint configuration with it, both of the name returned."""
    sagemaker = local_client("sagemaker", url)
    name = f"{scene.endpoint}-{version}"
    variant = {
        "VariantName": scene.variant,
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
    }
    _tolerating(
        _EXISTING,
        sagemaker.create_model,
        ModelName=name,
        PrimaryContainer=container,
        ExecutionRoleArn=ROLE,
    )
    config: dict[str, Any] = {"EndpointConfigName": name, "ProductionVariants": [variant]}
    if capture:
        config["DataCaptureConfig"] = capture
    _tolerating(_EXISTING, sagemaker.create_endpoint_config, **config)
    return name


def _wait_in_service(url: str, endpoint: str) -> None:
    waiter = local_client("sagemaker", url).get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=endpoint, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def _tolerating(code: str, call: Callable[..., object], **arguments: object) -> None:
    """Call and accept that the thing is already there; any other refusal is raised."""
    try:
        call(**arguments)
    except ClientError as error:
        message = error.response["Error"].get("Message", "")
        if error.response["Error"]["Code"] != code or not (code.startswith("Bucket") or "already exist" in message):
            raise
