"""The model that a Clarify job asks: a tree model's file, or one in SageMaker.

This is the only module of the container entry that knows AWS, and it imports it no sooner than a configuration names
a model there.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import uuid4

import polars as pl

from watchkeeper.analysis.explanation import Explanation, Model
from watchkeeper.analysis.shap_background import Background
from watchkeeper.analysis.shap_settings import ShapSettings
from watchkeeper.analysis.tree_ensemble import Link
from watchkeeper.analysis.tree_model import TreeModel, load_tree_model
from watchkeeper.container_clarify_job import ClarifyJob
from watchkeeper.container_job import CONFIG_FILE, ContainerJob
from watchkeeper.container_output import say
from watchkeeper.errors import ContainerContractError

_PURPOSE = "clarify"


@dataclass(frozen=True)
class AskedModel:
    """A model while it can be asked.

    ``numbers`` answers rows × labels. ``labels`` answers predicted labels, where the model does. ``are_scores`` says
    whether a row's only number is a probability, ``None`` where that is told by the numbers: fractions are. ``exact``
    is a tree model whose answer is the sum of its leaves: its attributions need no sampling.
    """

    numbers: Model
    labels: Callable[[pl.DataFrame], list[str | None]] | None = None
    are_scores: bool | None = None
    label_headers: tuple[str, ...] = ()
    exact: TreeModel | None = None

    def answers(self, rows: pl.DataFrame) -> tuple[pl.Series | None, pl.Series | None]:
        """Return the predicted label of each row, or else its probability, as text.

        Of several numbers the largest is the predicted label, called by its header or its place.
        """
        if self.labels is not None:
            return pl.Series(self.labels(rows), dtype=pl.String), None
        numbers = self.numbers(rows)
        if numbers.shape[1] > 1:
            names = self.label_headers or tuple(map(str, range(numbers.shape[1])))
            return pl.Series([names[place] for place in numbers.argmax(axis=1)], dtype=pl.String), None
        texts = pl.Series([repr(float(number)) for number in numbers[:, 0]], dtype=pl.String)
        scores = self.are_scores if self.are_scores is not None else bool((numbers % 1 != 0).any())
        return (None, texts) if scores else (texts, None)

    def explain(self, rows: pl.DataFrame, background: Background, settings: ShapSettings) -> Explanation:
        """Return the attributions of rows, in the unit of the model's answers, or of their log-odds where asked for."""
        if self.exact is not None and not settings.use_logit:
            return self.exact.explain(rows, background)
        from watchkeeper.analysis.kernel_shap import explain

        return explain(self.numbers, rows, background, settings)


@contextmanager
def asked_model(job: ContainerJob, asked: ClarifyJob) -> Iterator[AskedModel]:
    """Hold the model that a job's configuration names, or that is mounted, ready to be asked.

    A model in SageMaker is asked through an endpoint of our own: the live one is neither loaded nor captured. It is
    deleted at the end, whatever ends it.

    Raises
    ------
    ModelArtefactError
        when the file is no tree model.
    ContainerContractError
        when boto3 is not in the image, or AWS cannot be reached.
    EndpointStateError, PermissionMissingError
        when SageMaker does not make the endpoint.
    """
    headers = asked.request_format.label_headers
    if asked.model_file is not None:
        tree = load_tree_model(asked.model_file.read_bytes(), asked.model_file.name)
        link = tree.ensemble.link
        exact = tree if link is Link.IDENTITY else None
        yield AskedModel(tree, are_scores=link is Link.LOGISTIC, label_headers=headers, exact=exact)
        return
    from watchkeeper.aws.model_requests import EndpointModel
    from watchkeeper.aws.shadow_endpoint import ShadowEndpoint, plan_shadow

    predictor, form, digest = asked.config.predictor or {}, asked.request_format, _run_digest(job)
    with _aws_told():
        client, runtime = _client("sagemaker"), _client("sagemaker-runtime")
        plan = plan_shadow(
            client,
            endpoint=job.schedule_name or job.endpoint_name or _PURPOSE,
            run_digest=digest,
            model_name=predictor.get("model_name"),
            endpoint_name=predictor.get("endpoint_name"),
            instance_type=predictor.get("instance_type"),
            instance_count=predictor.get("initial_instance_count") or 1,
        )
        with ShadowEndpoint(client, plan, say) as shadow:
            model = EndpointModel(
                runtime,
                shadow.endpoint_name,
                form,
                _PURPOSE,
                digest,
                target_model=predictor.get("target_model"),
                custom_attributes=predictor.get("custom_attributes"),
            )
            labels = model.labels if form.label is not None else None
            yield AskedModel(model, labels, True if form.probability is not None else None, headers)
            say(f"the model was asked for {model.row_count} rows in {model.request_count} requests")


def read_object(uri: str) -> bytes:
    """Return an object of S3; ContainerContractError where it cannot be had."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    with _aws_told():
        client = _client("s3")
        try:
            return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())
        except client.exceptions.ClientError as error:
            code = error.response["Error"].get("Code", "unknown")
            raise ContainerContractError(uri, f"S3 answered {code}", "Check the place and the job's role") from error


def _client(service: str) -> Any:
    try:
        import boto3
    except ModuleNotFoundError as error:
        found = "a model or a file in AWS is named, but boto3 is not in this image"
        remedy = "Install boto3 in it, or mount a tree model's file in /opt/ml/processing/input/model"
        raise ContainerContractError("analysis_config.json", found, remedy) from error
    from watchkeeper.aws.client_access import retrying

    # The platform names the region by a variable that boto3 does not look at.
    session: Any = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    return session.client(service, config=retrying(None))


@contextmanager
def _aws_told() -> Iterator[None]:
    """Turn what botocore raises before any answer, such as for want of a region, into an error that says so."""
    try:
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError:
        yield
        return
    try:
        yield
    except BotoCoreError as error:
        remedy = "Check the job's role, region and network"
        raise ContainerContractError("AWS", f"it cannot be asked ({type(error).__name__})", remedy) from error


def _run_digest(job: ContainerJob) -> str:
    """Return what stands for this job in names and tags; the platform's own name of it, where that is known."""
    file = job.root / CONFIG_FILE
    try:
        known = json.loads(file.read_bytes()).get("ProcessingJobArn") if file.is_file() else None
    except (ValueError, AttributeError):
        known = None
    return sha256(str(known).encode()).hexdigest()[:12] if known else uuid4().hex[:12]
