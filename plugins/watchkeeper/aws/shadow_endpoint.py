"""An endpoint of our own for the model that is in service: made for one run, never captured, always deleted.

It has a name and tags of its own, so that what a killed run has left behind is found by `delete_shadow_endpoints`.
Plain boto3 clients will do.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

from watchkeeper.aws.endpoint_removal import remove_endpoint
from watchkeeper.aws.service_failure import error_code, permission_named
from watchkeeper.aws.serving_model import ServingModel, describe_endpoint, is_known_already, is_unknown, serving_model
from watchkeeper.errors import EndpointStateError, PermissionMissingError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

SHADOW_PREFIX = "watchkeeper-shadow-"
SHADOW_TAG, ENDPOINT_TAG, RUN_TAG = "watchkeeper:shadow", "watchkeeper:endpoint", "watchkeeper:run"
VARIANT = "AllTraffic"
#: No run should last longer; a shadow endpoint that does was left behind.
LEFT_BEHIND_AFTER = timedelta(hours=6)

_NAME_LIMIT = 63
_DIGEST_LENGTH = 12
_TELL_SECONDS = 60.0
_FIRST_POLL_SECONDS = 1.0
_UNDER_WAY = frozenset({"Creating", "Updating", "SystemUpdating"})

Tell = Callable[[str], object]


@dataclass(frozen=True)
class ShadowPlan:
    """What is made: a name, which is that of endpoint and configuration, its only variant, and tags."""

    name: str
    variant: Mapping[str, Any]
    tags: Mapping[str, str]
    kms_key_id: str | None = None

    @property
    def model_name(self) -> str:
        """The model that is served."""
        return str(self.variant["ModelName"])


def plan_shadow(
    client: "SageMakerClient",
    *,
    endpoint: str,
    run_digest: str,
    model_name: str | None = None,
    endpoint_name: str | None = None,
    variant: str | None = None,
    instance_type: str | None = None,
    instance_count: int = 1,
    serverless: Mapping[str, int] | None = None,
    tags: Mapping[str, str] | None = None,
) -> ShadowPlan:
    """Return what is to be made for one run of the registry's ``endpoint``: another try of the run plans the same.

    The model is ``model_name``, else the one in service behind ``variant`` of the live ``endpoint_name``. It runs on
    what is declared (``instance_type``, or ``serverless`` as CreateEndpointConfig takes it), else on what the live
    variant has; on one instance unless told, for it answers one client.

    Raises
    ------
    EndpointStateError
        when no model, or nothing to run it on, is given or found.
    PermissionMissingError
        when AWS refuses.
    """
    is_declared = instance_type is not None or serverless is not None
    live = None
    if endpoint_name is not None and (model_name is None or not is_declared):
        live = serving_model(client, endpoint_name, variant)
    chosen = model_name or (live and live.model_name)
    if not chosen:
        raise EndpointStateError(endpoint, "neither a model nor a live endpoint is given", "Give model_name.")
    hardware = _hardware(live, instance_type, instance_count, serverless)
    if not hardware:
        found = f"nothing says what model {chosen} shall run on"
        raise EndpointStateError(endpoint, found, "Give instance_type or serverless.")
    wanted = {"VariantName": VARIANT, "ModelName": chosen, "InitialVariantWeight": 1.0, **hardware}
    content = json.dumps([run_digest, endpoint, wanted], sort_keys=True, default=str)
    digest = sha256(content.encode()).hexdigest()[:_DIGEST_LENGTH]
    stem = re.sub(r"[^a-zA-Z0-9]+", "-", endpoint)[: _NAME_LIMIT - len(SHADOW_PREFIX) - _DIGEST_LENGTH - 1].strip("-")
    return ShadowPlan(
        name=f"{SHADOW_PREFIX}{stem}-{digest}",
        variant=wanted,
        tags={**(tags or {}), SHADOW_TAG: "true", ENDPOINT_TAG: endpoint, RUN_TAG: run_digest},
        # A key is for the disks of the live instance type: another type may have none that can be encrypted.
        kms_key_id=live.kms_key_id if live is not None and not is_declared and live.instance_type else None,
    )


def _hardware(
    live: ServingModel | None, instance_type: str | None, instance_count: int, serverless: Mapping[str, int] | None
) -> dict[str, Any]:
    if serverless is not None:
        return {"ServerlessConfig": dict(serverless)}
    if instance_type is None and live is not None and live.serverless:
        return {"ServerlessConfig": dict(live.serverless)}
    chosen = instance_type or (live and live.instance_type)
    if not chosen:
        return {}
    parts = live.start_parts if live is not None and chosen == live.instance_type else {}
    return {"InstanceType": chosen, "InitialInstanceCount": instance_count, **parts}


@dataclass
class ShadowEndpoint:
    """A shadow endpoint while the ``with`` block lasts; deleted at its end, whatever ends it.

    Entering waits until it is in service, at most ``creation_seconds``, and adopts what an earlier try of the run has
    made. ``tell`` takes sentences for the log. ``close`` may be called from a signal handler (Airflow's ``on_kill``):
    give it a ``kill_client`` of its own then, for the interrupted code may hold the other client's locks.

    Entering raises EndpointStateError with SageMaker's reason if the endpoint cannot be made, and
    PermissionMissingError naming the action that AWS refused; leaving does if it cannot be deleted.
    """

    client: "SageMakerClient"
    plan: ShadowPlan
    tell: Tell = lambda _sentence: None
    kill_client: "SageMakerClient | None" = None
    poll_seconds: float = 10.0
    creation_seconds: float = 1800.0
    removal_seconds: float = 1800.0
    sleep: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _is_asked: bool = field(default=False, init=False)
    _is_pending: bool = field(default=False, init=False)
    _is_closed: bool = field(default=False, init=False)

    @property
    def endpoint_name(self) -> str:
        """The name to invoke."""
        return self.plan.name

    @property
    def is_closed(self) -> bool:
        """Whether it was closed before the block's end: what still asks it may stop."""
        return self._is_closed

    def __enter__(self) -> Self:
        try:
            self._create()
            self._wait()
        except BaseException as error:
            self._leave(error)
            raise
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self._leave(error)

    def close(self, patience_seconds: float = 40.0) -> bool:
        """Delete the endpoint and its configuration now; return whether they are gone. Safe to repeat.

        SageMaker deletes no endpoint that is being created, so this waits for it, but no longer than
        ``patience_seconds``: who is killed has no more time. What is left then, the sweep finds.
        """
        self._is_closed = True
        return self._remove(self.kill_client or self.client, patience_seconds)

    def _leave(self, error: BaseException | None) -> None:
        """Delete; if that fails and something else is raised already, say it there."""
        try:
            if self._remove(self.client, self.removal_seconds):
                return
            found = f"could not be deleted within {self.removal_seconds:.0f} seconds"
            raise EndpointStateError(self.plan.name, found, "It costs money: delete it, or let the sweep find it.")
        except Exception as left:
            if error is None:
                raise
            error.add_note(f"The shadow endpoint {self.plan.name} may be left behind: {left}")

    def _remove(self, client: "SageMakerClient", patience_seconds: float) -> bool:
        if not self._is_asked:
            return True
        is_gone = remove_endpoint(
            client,
            self.plan.name,
            patience_seconds=patience_seconds,
            may_appear=self._is_pending,
            poll_seconds=min(self.poll_seconds, 2.0),
            sleep=self.sleep,
            clock=self.clock,
        )
        if is_gone:
            self.tell(f"Shadow endpoint {self.plan.name} is deleted")
        return is_gone

    # ---- creation

    def _create(self) -> None:
        name = self.plan.name
        tags = [{"Key": key, "Value": value} for key, value in self.plan.tags.items()]
        self._is_asked = True
        status = self._clear_remains()
        with _refusals_told(name):
            self._put_config(tags)
            if status is None:
                self._refuse_if_closed()
                self._request(EndpointName=name, EndpointConfigName=name, Tags=tags)
        made = "is being made" if status is None else f"was made by an earlier try and is {status}"
        self.tell(f"Shadow endpoint {name} {made}, for model {self.plan.model_name}")

    def _put_config(self, tags: list[dict[str, str]]) -> None:
        from botocore.exceptions import ClientError

        name = self.plan.name
        config: dict[str, Any] = {"EndpointConfigName": name, "ProductionVariants": [self.plan.variant], "Tags": tags}
        if self.plan.kms_key_id:
            config["KmsKeyId"] = self.plan.kms_key_id
        try:
            with permission_named("sagemaker", f"endpoint-config/{name}"):
                self.client.create_endpoint_config(**config)
        except ClientError as error:
            # An earlier try's: its name holds the digest of its content.
            if not is_known_already(error):
                raise

    def _request(self, **endpoint: Any) -> None:
        from botocore.exceptions import ClientError

        # Interrupted here, nobody knows whether SageMaker makes it.
        self._is_pending = True
        try:
            with permission_named("sagemaker", f"endpoint/{self.plan.name}"):
                self.client.create_endpoint(**endpoint)
        except (ClientError, PermissionMissingError):
            self._is_pending = False
            raise
        self._is_pending = False

    def _clear_remains(self) -> str | None:
        """Return the status of an earlier try's endpoint that can be adopted; another is out of the way then."""
        described = describe_endpoint(self.client, self.plan.name)
        status = None if described is None else str(described["EndpointStatus"])
        if status not in {"Failed", "OutOfService", "Deleting"}:
            return status
        if status != "Deleting":
            self._remove(self.client, self.removal_seconds)
        for _ in self._polls(self.removal_seconds):
            if describe_endpoint(self.client, self.plan.name) is None:
                return None
        found = f"an earlier try's endpoint is still being deleted after {self.removal_seconds:.0f} seconds"
        raise EndpointStateError(self.plan.name, found, "Run the task again later.")

    def _wait(self) -> None:
        began = told = self.clock()
        for now in self._polls(self.creation_seconds):
            self._refuse_if_closed()
            described = describe_endpoint(self.client, self.plan.name)
            status = "gone" if described is None else described["EndpointStatus"]
            if status == "InService":
                self.tell(f"Shadow endpoint {self.plan.name} is in service after {now - began:.0f} seconds")
                return
            if described is None or status not in _UNDER_WAY:
                reason = (described or {}).get("FailureReason") or f"it is {status}"
                remedy = "See whether the model starts there, and the account's quota of instances for endpoints."
                raise EndpointStateError(
                    self.plan.name, f"the shadow endpoint did not start: {reason.rstrip('.')}", remedy
                )
            if now - told >= _TELL_SECONDS:
                told = now
                self.tell(f"Shadow endpoint {self.plan.name} is {status} since {now - began:.0f} seconds")
        found = f"the shadow endpoint was not in service after {self.creation_seconds:.0f} seconds"
        raise EndpointStateError(self.plan.name, found, "Allow it more time, or see why its model starts so slowly.")

    def _polls(self, seconds: float) -> Iterator[float]:
        """Yield the clock's time, then sleep, a second first and then longer, until so many seconds are over."""
        deadline, pause = self.clock() + seconds, min(_FIRST_POLL_SECONDS, self.poll_seconds)
        while (now := self.clock()) < deadline:
            yield now
            self.sleep(pause)
            pause = min(2 * pause, self.poll_seconds)

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise EndpointStateError(self.plan.name, "the shadow endpoint was closed", "The task was killed.")


@contextmanager
def _refusals_told(name: str) -> Iterator[None]:
    """Turn what SageMaker will not make, for lack of a model or of quota, into EndpointStateError with its words."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        code = error_code(error)
        if not code.startswith("Validation") and code != "ResourceLimitExceeded":
            raise
        found = f"SageMaker made no shadow endpoint: {error.response['Error'].get('Message', code).rstrip('.')}"
        remedy = "Correct the model or what it runs on, or have the account's quota for endpoints raised."
        raise EndpointStateError(name, found, remedy) from error


def delete_shadow_endpoints(
    client: "SageMakerClient",
    *,
    older_than: timedelta = LEFT_BEHIND_AFTER,
    endpoint: str | None = None,
    run_digest: str | None = None,
    now: datetime | None = None,
    tell: Tell = lambda _sentence: None,
) -> tuple[str, ...]:
    """Delete the shadow endpoints and configurations that were left behind, and return their names.

    Those are told by their name, their tag and their age; ``endpoint`` narrows them to one of the registry's,
    ``run_digest`` to one run's. One that SageMaker will not delete yet is told, and left to the next sweep.

    Raises
    ------
    PermissionMissingError
        when AWS refuses.
    """
    before = (now or datetime.now(UTC)) - older_than
    wanted = {ENDPOINT_TAG: endpoint, RUN_TAG: run_digest}
    deleted = []
    for name in sorted(_left_behind(client, before, {tag: value for tag, value in wanted.items() if value})):
        if remove_endpoint(client, name, patience_seconds=0.0):
            deleted.append(name)
            tell(f"Deleted the shadow endpoint {name}, which was left behind")
        else:
            tell(f"The shadow endpoint {name} was left behind and cannot be deleted yet; the next sweep tries again")
    return tuple(deleted)


def _left_behind(client: "SageMakerClient", before: datetime, wanted: Mapping[str, str]) -> set[str]:
    """Return the names of our endpoints and configurations made before a moment; none of a younger endpoint's."""
    arns: dict[str, str] = {}
    young: set[str] = set()
    with permission_named("sagemaker", "*"):
        for kind in ("endpoint_configs", "endpoints"):
            stem = "EndpointConfig" if kind == "endpoint_configs" else "Endpoint"
            pages = client.get_paginator(f"list_{kind}").paginate(NameContains=SHADOW_PREFIX)  # type: ignore[call-overload]
            for item in (item for page in pages for item in page[f"{stem}s"]):
                name = str(item[f"{stem}Name"])
                if name.startswith(SHADOW_PREFIX):
                    arns[name] = item[f"{stem}Arn"]
                    young |= set() if item["CreationTime"] < before else {name}
        return {name for name, arn in arns.items() if name not in young and _is_ours(client, arn, wanted)}


def _is_ours(client: "SageMakerClient", arn: str, wanted: Mapping[str, str]) -> bool:
    from botocore.exceptions import ClientError

    try:
        pages = client.get_paginator("list_tags").paginate(ResourceArn=arn)
        tags = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
    except ClientError as error:
        if is_unknown(error):  # its own run has just deleted it
            return False
        raise
    return SHADOW_TAG in tags and all(tags.get(tag) == value for tag, value in wanted.items())
