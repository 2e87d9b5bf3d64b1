"""Puts the small files of past days together: of the ledger of verdicts and of that of events."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from watchkeeper.errors import StoreError
from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once

if TYPE_CHECKING:
    from airflow.sdk import Context

_TOLD = 20


class CompactLedgerOperator(MonitorOperator):
    """Make one file of each past day's of the ledgers, with exactly the same rows; a no-op where that is so already.

    Which days are past, and whether it is done at all, says ``cost`` in the fleet's file.
    """

    def execute(self, context: "Context") -> dict[str, Any]:  # noqa: ARG002
        """Return ``lines`` that say what was done, and ``faults``."""
        from watchkeeper.aws.ledger_compaction import compact_ledger

        with failing_at_once():
            deployment = self.open_deployment()
            rules = deployment.fleet.cost
        if not rules.compact:
            return {"lines": ["compaction is off: cost.compact is false in the fleet's file"], "faults": []}
        before = datetime.now(UTC) - timedelta(days=rules.compact_after_days)
        faults: list[str] = []
        days = files = rows = 0
        for done in compact_ledger(deployment.ledger, before, faults.append):
            days, files, rows = days + 1, files + done.file_count, rows + done.row_count
            self.log.info(
                "%s, %s: %d files are one, of %d rows", done.monitor, done.day, done.file_count, done.row_count
            )
        events = 0
        try:
            events = deployment.event_ledger.compact(before)
        except StoreError as error:
            faults.append(f"the ledger of events: {error}")
        for fault in faults:
            self.log.error("%s", fault)
        lines = [
            f"ledger: {files} files of {days} days are one for each day and monitor, {rows} rows",
            f"ledger of events: {events} days are one file for each kind",
        ]
        return {"lines": lines, "faults": faults[:_TOLD]}
