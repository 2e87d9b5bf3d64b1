"""What the steps of one incident share: its record, and whether it is this run's to work on."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from watchkeeper.aws.pipeline_hook import PipelineHook
from watchkeeper.operators.incident_notice import tell_end_of_step
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator
from watchkeeper.operators.run_pipeline import run_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.aws.incident_record import IncidentRecord, IncidentState, IncidentStep
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.remediation_spec import RemediationSpec


class IncidentStepOperator(MonitorOperator):
    """Base of the steps of one incident.

    :param endpoint: The endpoint's registry id: its file's stem. (templated)
    :param incident_id: The incident. (templated)
    """

    template_fields: "Sequence[str]" = (*MonitorOperator.template_fields, "endpoint", "incident_id")
    ui_color = "#f4dfe6"

    def __init__(self, *, endpoint: str, incident_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.incident_id = incident_id

    @property
    def label(self) -> str:
        """What a mapped instance is called in the UI."""
        return self.endpoint

    def advance(
        self, deployment: Deployment, state: "IncidentState", context: "Context", why: str, **fields: Any
    ) -> "IncidentRecord":
        """Bring the incident into a state and return its record."""
        return deployment.incidents.advance(
            self.endpoint, self.incident_id, state, by=run_name(context), why=why, now=datetime.now(UTC), **fields
        )

    def tell(self, deployment: Deployment, spec: "EndpointSpec", record: "IncidentRecord", context: "Context") -> None:
        """Tell what came of the newest step now: other incidents of the run may wait a day for a person.

        The task that reports tells it again where that failed.
        """
        try:
            tell_end_of_step(deployment, spec, record, context, self.log.warning)
        except Exception as error:  # noqa: BLE001 - the record stands, and who reports tells it then
            self.log.warning("%s: people were not told yet: %s", self.endpoint, error)

    def open_endpoint(self, deployment: Deployment) -> "tuple[EndpointSpec, RemediationSpec, PipelineHook]":
        """Return the endpoint's file, its policy, and a hook to its account."""
        spec = deployment.registry.require(self.endpoint)
        policy = spec.remediation
        if policy is None or not policy.enabled:
            message = f"{self.endpoint}: its file says nothing of remediation any more"
            raise AirflowSkipException(message)
        return spec, policy, deployment.access_of(spec).open(PipelineHook)


def take_incident(
    deployment: Deployment, endpoint: str, incident_id: str, context: "Context"
) -> "tuple[IncidentRecord, IncidentStep]":
    """Return an incident and its newest step; AirflowSkipException if it is not this run's to work on."""
    record = deployment.incidents.require(endpoint, incident_id)
    step = record.step
    if record.held_by != run_name(context) or not record.is_held or step is None:
        whose = f", the run {record.held_by} works on it" if record.held_by else ""
        message = f"Incident {incident_id} of {endpoint} is {record.state}{whose}: {record.why}"
        raise AirflowSkipException(message)
    return record, step
