"""Finds what runs that died have left: shadow endpoints that cost money, and notices that nobody sent."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from watchkeeper.errors import WatchkeeperError
from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once
from watchkeeper.operators.run_window import due_moment

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Claims of so long ago were told of by earlier runs.
_CLAIMS_SINCE = timedelta(days=2)
#: A live claim is minutes old; its run may still be on its way.
_CLAIM_IS_DEAD_AFTER = timedelta(hours=1)


class SweepLeftoversOperator(MonitorOperator):
    """Delete shadow endpoints that are six hours old, in every account and region, and tell of notices never sent.

    A notice that was claimed and not sent belongs to a run that died and was not tried again: people were to know it.
    """

    def execute(self, context: "Context") -> dict[str, Any]:
        """Return ``lines`` that say what was deleted, and ``faults``."""
        from botocore.exceptions import BotoCoreError, ClientError

        from watchkeeper.aws.shadow_endpoint import delete_shadow_endpoints

        with failing_at_once():
            deployment = self.open_deployment()
            specs = deployment.registry.endpoints.values()
        now = due_moment(context)
        lines: list[str] = []
        faults: list[str] = []
        for access in dict.fromkeys(deployment.access_of(spec) for spec in specs):
            try:
                delete_shadow_endpoints(access.client("sagemaker"), now=now, tell=lines.append)
            except (BotoCoreError, ClientError, WatchkeeperError) as error:
                self.log.exception("Shadow endpoints could not be looked for through %s", access.aws_conn_id)
                faults.append(f"shadow endpoints: {' '.join(str(error).split())}")
        dead = deployment.notices.unsettled(now - _CLAIMS_SINCE, now - _CLAIM_IS_DEAD_AFTER)
        faults += [f"notice never sent: {record.headline}" for record in dead]
        for line in lines:
            self.log.info("%s", line)
        return {"lines": lines or ["nothing was left behind"], "faults": faults}
