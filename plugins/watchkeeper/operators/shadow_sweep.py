"""Deletes the shadow endpoints that nobody uses any more: a run's own at its end, and what killed runs left behind."""

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watchkeeper.operators.endpoint_analysis import Tell
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec


def explained_endpoints(deployment: "Deployment") -> "list[EndpointSpec]":
    """Return the endpoints whose model is explained through a shadow endpoint."""
    return [
        spec
        for spec in deployment.registry.endpoints.values()
        if spec.periods_of("explainability") and spec.explainability.model.is_shadow
    ]


def sweep_shadows(deployment: "Deployment", specs: "Iterable[EndpointSpec]", run_digest: str, tell: "Tell") -> None:
    """Delete the shadow endpoints that a run made for these endpoints, and all that are six hours old.

    Only where no task of the run asks their models any more: what it would ask is gone then.
    """
    from watchkeeper.aws.shadow_endpoint import delete_shadow_endpoints

    swept = []
    for spec in specs:
        access = deployment.access_of(spec)
        client, name = access.client("sagemaker"), spec.registry_id
        delete_shadow_endpoints(client, older_than=timedelta(), endpoint=name, run_digest=run_digest, tell=tell)
        if access not in swept:
            delete_shadow_endpoints(client, tell=tell)
            swept.append(access)
