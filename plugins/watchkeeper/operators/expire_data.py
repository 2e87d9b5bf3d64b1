"""Deletes what is past its retention, or says what it would delete."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from watchkeeper.errors import WatchkeeperError
from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once
from watchkeeper.operators.run_window import due_moment

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Of each kind a run: a first run over years of data is not to last for ever.
OBJECTS_A_RUN = 200_000


class ExpireDataOperator(MonitorOperator):
    """Delete what is past the retention of its kind (``cost.retention`` in the fleet's file), below the prefix only.

    A kind without a retention is never deleted, nor is anything written within ``cost.minimum_age_days``. Unless
    ``cost.delete_expired`` is true, it is counted and stays.

    :param limit: how many objects of each kind to delete at most.
    """

    def __init__(self, *, limit: int = OBJECTS_A_RUN, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit = limit

    def execute(self, context: "Context") -> dict[str, Any]:
        """Return ``lines`` that say what was deleted or would be, and ``faults``."""
        from botocore.exceptions import BotoCoreError, ClientError

        from watchkeeper.aws.retention_sweep import sweep_kind
        from watchkeeper.registry.retention_policy import DATA_KINDS, expiry

        with failing_at_once():
            deployment = self.open_deployment()
            rules = deployment.fleet.cost
            # A file that cannot be read may ask for longer than any other.
            may_delete = rules.delete_expired and not deployment.registry.problems
        # Of the run, so that one that is cleared later deletes no more.
        now = due_moment(context)
        found = expiry(rules.retention, deployment.registry.endpoints.values(), now.date())
        lines, faults = list(found.notes), []
        if rules.delete_expired and not may_delete:
            lines.append("nothing is deleted while endpoint files are faulty: they may ask for longer")
        objects = deployment.reports.objects
        for name, before in found.before.items():
            try:
                swept = sweep_kind(
                    objects,
                    DATA_KINDS[name],
                    before,
                    written_before=now - timedelta(days=rules.minimum_age_days),
                    limit=self.limit,
                    delete=may_delete,
                )
            except (BotoCoreError, ClientError, WatchkeeperError) as error:
                self.log.exception("%s could not be swept", name)
                faults.append(f"{name}: {' '.join(str(error).split())}")
                continue
            done = "deleted" if swept.is_deleted else "would be deleted (cost.delete_expired)"
            more = "" if swept.is_whole else f"; more than {self.limit:,}, the rest another day"
            lines.append(
                f"{name} before {swept.before}: {swept.object_count:,} objects, {swept.byte_count:,} bytes {done}{more}"
            )
        for line in lines:
            self.log.info("%s", line)
        return {"lines": lines, "faults": faults}
