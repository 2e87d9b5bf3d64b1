"""The tables of the scene ``rollback``: an incident's record, how an endpoint served, and the thread of messages."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.table import Table
from rich.text import Text

from sandbox.demo.delivered_results import DeliveredMessage, Service
from watchkeeper.aws.incident_record import IncidentRecord

_COLOURS = {"verified": "green", "recovered": "green", "escalated": "bold red", "not_verified": "red"}


@dataclass(frozen=True)
class Span:
    """How an endpoint served over some time."""

    name: str
    start: datetime
    end: datetime
    service: Service


def incident_table(record: IncidentRecord) -> Table:
    """Return the audit record: what happened when, on whose word, and why."""
    table = Table(title=f"Incident {record.incident_id} of {record.endpoint}", title_justify="left")
    for name in ("UTC", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("why", overflow="fold")
    for event in record.history:
        table.add_row(event.at[11:19], Text(event.state, style=_COLOURS.get(event.state, "")), Text(event.why))
    for step in record.steps:
        table.add_section()
        before, after = (facts.get("config") or "" for facts in (step.before, step.after))
        counts = [facts.get("instances") or {} for facts in (step.before, step.after)]
        told = f"{before} {_instances(counts[0])} -> {after} {_instances(counts[1])}; allowed by {step.allowed_by}"
        table.add_row(step.action, Text(step.outcome, style=_COLOURS.get(step.outcome, "")), Text(told))
    return table


def _instances(counts: dict[str, int]) -> str:
    return f"({sum(counts.values())} instances)" if counts else ""


def service_table(endpoint: str, spans: Sequence[Span]) -> Table:
    """Return calls, failures and latency before, during and after, from CloudWatch."""
    table = Table(title=f"{endpoint}, from CloudWatch", title_justify="left")
    for name in ("", "UTC"):
        table.add_column(name, no_wrap=True)
    for name in ("calls", "5xx", "latency p50", "latency p95"):
        table.add_column(name, justify="right", no_wrap=True)
    for span in spans:
        service = span.service
        table.add_row(
            span.name,
            f"{span.start:%H:%M:%S} to {span.end:%H:%M:%S}",
            f"{service.invocations:,.0f}",
            Text(f"{service.failed_share:.1%}", style="red" if service.failed_share > 0.05 else ""),
            f"{service.p50_ms:,.0f} ms",
            f"{service.p95_ms:,.0f} ms",
        )
    return table


def thread_table(messages: Sequence[DeliveredMessage]) -> Table:
    """Return the delivered messages, thread by thread, each in the order in which it came."""
    table = Table(title=f"{len(messages)} SNS messages were delivered", title_justify="left")
    for name in ("thread", "kind", "severity"):
        table.add_column(name, no_wrap=True)
    table.add_column("message", overflow="fold")
    previous = None
    for message in sorted(messages, key=lambda one: (_thread(one), one.sent_at)):
        thread = _thread(message)
        if previous not in {None, thread}:
            table.add_section()
        previous = thread
        values = [message.attributes.get(name, "") for name in ("kind", "severity")]
        table.add_row(thread, *values, Text(_headline(message)))
    return table


def _thread(message: DeliveredMessage) -> str:
    return message.attributes.get("thread") or ("CloudWatch" if message.text.startswith("{") else "-")


def _headline(message: DeliveredMessage) -> str:
    if message.text.startswith("{"):  # an alarm's own
        return f"{message.subject}: {json.loads(message.text)['NewStateReason']}"
    return message.text.partition("\n")[0]
