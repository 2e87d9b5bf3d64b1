"""What all operators share: how AWS is reached, and the deployment's settings, registry and stores."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from watchkeeper.aws.client_access import AwsAccess
from watchkeeper.aws.settings_reader import read_settings
from watchkeeper.errors import (
    BaselineMissingError,
    DatasetError,
    DocumentError,
    EndpointStateError,
    ModelArtefactError,
    PermissionMissingError,
    PipelineError,
    ProblemsError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchkeeper.aws.action_store import ActionStore
    from watchkeeper.aws.alert_record import AlertRecords
    from watchkeeper.aws.baseline_store import BaselineStore
    from watchkeeper.aws.blast_radius import BlastRadius
    from watchkeeper.aws.breaker_record import BreakerRecords
    from watchkeeper.aws.config_history import ConfigHistory
    from watchkeeper.aws.cost_store import CostStore
    from watchkeeper.aws.event_inbox import EventInbox
    from watchkeeper.aws.event_ledger import EventLedger
    from watchkeeper.aws.event_work import EventWork
    from watchkeeper.aws.explanation_store import ExplanationStore
    from watchkeeper.aws.incident_store import IncidentStore
    from watchkeeper.aws.key_index_store import KeyIndexStore
    from watchkeeper.aws.ledger import Ledger
    from watchkeeper.aws.log_report_store import LogReportStore
    from watchkeeper.aws.merged_store import MergedStore
    from watchkeeper.aws.notice_record import NoticeRecords
    from watchkeeper.aws.notice_thread import NoticeThreads
    from watchkeeper.aws.plan_store import PlanStore
    from watchkeeper.aws.probe_store import ProbeStore
    from watchkeeper.aws.report_store import ReportStore
    from watchkeeper.aws.silence_store import SilenceStore
    from watchkeeper.registry.cost_control import CostControl
    from watchkeeper.registry.deployment_settings import DeploymentSettings
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.fleet_spec import FleetSpec
    from watchkeeper.registry.registry_files import Registry


#: What another try would find again: settings, files, documents and permissions that somebody has to mend.
LASTING_ERRORS = (
    BaselineMissingError,
    DatasetError,
    DocumentError,
    EndpointStateError,
    ModelArtefactError,
    PermissionMissingError,
    PipelineError,
    ProblemsError,
)


@contextmanager
def failing_at_once() -> Iterator[None]:
    """Turn what no retry can mend into AirflowFailException, so that its message is the last thing in the log."""
    try:
        yield
    except (*LASTING_ERRORS, ValueError) as error:
        raise AirflowFailException(str(error)) from error


@dataclass(frozen=True)
class Deployment:
    """One deployment at run time: its settings, and the stores below its bucket and prefix."""

    settings: "DeploymentSettings"
    access: AwsAccess

    @cached_property
    def registry(self) -> "Registry":
        """The endpoint files, read once, each as its cost ceiling leaves it: every task sees the same."""
        return self.cost.registry

    @cached_property
    def cost(self) -> "CostControl":
        """What ceilings of cost have taken away from the endpoint files, and whose infrastructure is refused."""
        from watchkeeper.registry.cost_control import cost_basis, under_ceilings
        from watchkeeper.registry.registry_files import load_registry

        settings = self.settings
        declared = load_registry(settings.endpoints_folder())
        return under_ceilings(declared, lambda: cost_basis(settings.include_folder(), settings.region_name))

    @cached_property
    def fleet(self) -> "FleetSpec":
        """What the fleet's file says, read once; RegistryError tells its faults."""
        from watchkeeper.registry.fleet_file import load_fleet

        return load_fleet(self.settings.include_folder())

    @cached_property
    def reports(self) -> "ReportStore":
        """Window results, documents and states."""
        from watchkeeper.aws.report_store import ReportStore

        return ReportStore(*self._place)

    @cached_property
    def log_reports(self) -> "LogReportStore":
        """What was found in endpoints' logs."""
        from watchkeeper.aws.log_report_store import LogReportStore

        return LogReportStore(*self._place)

    @cached_property
    def baselines(self) -> "BaselineStore":
        """Baselines and their pointers."""
        from watchkeeper.aws.baseline_store import BaselineStore

        return BaselineStore(*self._place)

    @cached_property
    def ledger(self) -> "Ledger":
        """All verdicts."""
        from watchkeeper.aws.ledger import Ledger

        return Ledger(*self._place)

    @cached_property
    def alerts(self) -> "AlertRecords":
        """All alert records."""
        from watchkeeper.aws.alert_record import AlertRecords

        return AlertRecords(*self._place)

    @cached_property
    def notices(self) -> "NoticeRecords":
        """All records of notices."""
        from watchkeeper.aws.notice_record import NoticeRecords

        return NoticeRecords(*self._place)

    @cached_property
    def threads(self) -> "NoticeThreads":
        """Who had bad news that still stand."""
        from watchkeeper.aws.notice_thread import NoticeThreads

        return NoticeThreads(*self._place)

    @cached_property
    def silences(self) -> "SilenceStore":
        """What people have silenced while all runs on."""
        from watchkeeper.aws.silence_store import SilenceStore

        return SilenceStore(*self._place)

    @cached_property
    def merged(self) -> "MergedStore":
        """Captures merged with their labels."""
        from watchkeeper.aws.merged_store import MergedStore

        return MergedStore(*self._place)

    @cached_property
    def key_indexes(self) -> "KeyIndexStore":
        """Which ids captures and label objects hold."""
        from watchkeeper.aws.key_index_store import KeyIndexStore

        return KeyIndexStore(*self._place)

    @cached_property
    def explanations(self) -> "ExplanationStore":
        """The explanations of single predictions."""
        from watchkeeper.aws.explanation_store import ExplanationStore

        return ExplanationStore(*self._place)

    @cached_property
    def actions(self) -> "ActionStore":
        """The records of all actions."""
        from watchkeeper.aws.action_store import ActionStore

        return ActionStore(*self._place)

    @cached_property
    def incidents(self) -> "IncidentStore":
        """The records of all incidents."""
        from watchkeeper.aws.incident_store import IncidentStore

        return IncidentStore(*self._place)

    @cached_property
    def blast_radius(self) -> "BlastRadius":
        """The places of endpoints that may be acted on."""
        from watchkeeper.aws.blast_radius import BlastRadius

        return BlastRadius(*self._place)

    @cached_property
    def breakers(self) -> "BreakerRecords":
        """The circuit breakers of all endpoints."""
        from watchkeeper.aws.breaker_record import BreakerRecords

        return BreakerRecords(*self._place)

    @cached_property
    def config_history(self) -> "ConfigHistory":
        """Which configurations were seen in service."""
        from watchkeeper.aws.config_history import ConfigHistory

        return ConfigHistory(*self._place)

    @cached_property
    def inbox(self) -> "EventInbox":
        """The operational events that no DAG has worked off yet."""
        from watchkeeper.aws.event_inbox import EventInbox

        return EventInbox(*self._place)

    @cached_property
    def plans(self) -> "PlanStore":
        """The plans of what AWS shall hold."""
        from watchkeeper.aws.plan_store import PlanStore

        return PlanStore(*self._place)

    @cached_property
    def event_ledger(self) -> "EventLedger":
        """All platform events and job outcomes."""
        from watchkeeper.aws.event_ledger import EventLedger

        return EventLedger(*self._place)

    @cached_property
    def event_work(self) -> "EventWork":
        """What was done about events and jobs, once each."""
        from watchkeeper.aws.event_work import EventWork

        return EventWork(*self._place)

    @cached_property
    def costs(self) -> "CostStore":
        """The cost reports."""
        from watchkeeper.aws.cost_store import CostStore

        return CostStore(*self._place)

    @cached_property
    def probes(self) -> "ProbeStore":
        """How often we asked live endpoints ourselves."""
        from watchkeeper.aws.probe_store import ProbeStore

        return ProbeStore(*self._place)

    def access_of(self, spec: "EndpointSpec") -> AwsAccess:
        """Return the way to the account and region that hold an endpoint and its capture."""
        ours = self.access
        region = spec.region_name or ours.region_name
        if (spec.aws_conn_id, region, spec.role_arn) == (ours.aws_conn_id, ours.region_name, ours.role_arn):
            return ours
        return AwsAccess(spec.aws_conn_id, region, ours.verify, ours.botocore_config, spec.role_arn)

    @property
    def _place(self) -> tuple[str, str, Any]:
        return self.settings.bucket, self.settings.prefix, self.access.client("s3")


class MonitorOperator(BaseOperator):
    """Base of Watchkeeper's operators: reaches AWS through an Airflow connection, finds the deployment's settings.

    :param aws_conn_id: The Airflow connection used for AWS credentials; ``None`` for the one that the deployment's
        settings name (``aws_default`` by default). An endpoint's own file may name another for its capture.
        (templated)
    :param region_name: AWS region_name. If not specified then the settings', else the connection's. (templated)
    :param verify: Whether or not to verify SSL certificates. See:
        https://boto3.amazonaws.com/v1/documentation/api/latest/reference/core/session.html
    :param botocore_config: Configuration dictionary (key-values) for botocore client. See:
        https://botocore.amazonaws.com/v1/documentation/api/latest/reference/config.html
    """

    template_fields: "Sequence[str]" = ("aws_conn_id", "region_name", "verify")
    ui_color = "#dfeaf4"

    def __init__(
        self,
        *,
        aws_conn_id: str | None = None,
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    def open_deployment(self) -> Deployment:
        """Return the deployment that this task works for."""
        return open_deployment(self.aws_conn_id, self.region_name, self.verify, self.botocore_config)


def open_deployment(
    aws_conn_id: str | None = None,
    region_name: str | None = None,
    verify: bool | str | None = None,
    botocore_config: dict[str, Any] | None = None,
) -> Deployment:
    """Return the deployment of this environment; what is not given comes from its settings."""
    settings = read_settings()
    access = AwsAccess(
        aws_conn_id or settings.aws_conn_id, region_name or settings.region_name, verify, botocore_config
    )
    return Deployment(settings, access)
