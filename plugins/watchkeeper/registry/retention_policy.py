"""What is past its retention: the kinds of data, the day that each object is about, and what is kept all the same."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from watchkeeper.registry.fleet_cost_spec import RetentionSpec

if TYPE_CHECKING:
    from watchkeeper.registry.endpoint_spec import EndpointSpec

_BY_PATH = re.compile(r"/(?P<year>\d{4})/(?P<month>\d{2})/(?P<day>\d{2})[/.]")
_BY_PARTITION = re.compile(r"/date=(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})/")
_BY_WINDOW = re.compile(r"/(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})T\d{2}-\d{8}T\d{2}/")
_BY_MONTH = re.compile(r"/(?P<year>\d{4})/(?P<month>\d{2})\.")
#: Verdicts of so many days are asked for whatever is declared: gaps are told of 14.
_LEDGER_DAYS = 21


@dataclass(frozen=True)
class DataKind:
    """One kind of data: the folder below the prefix, how deep the folders lie in which keys are in order of time.

    ``pattern`` finds the day in a key; without one an object is about the day it was written.
    """

    name: str
    folder: str
    depth: int
    pattern: re.Pattern[str] | None

    def day_of(self, key: str, written: datetime) -> date | None:
        """Return the day that an object is about; ``None`` for a key that does not say: it is never deleted."""
        if self.pattern is None:
            return written.date()
        found = self.pattern.search(key, len(self.folder) - 1)
        if found is None:
            return None
        try:
            # A month's is about its last day, so that a whole one is kept.
            parts = found.groupdict(default="28")
            return date(int(parts["year"]), int(parts["month"]), int(parts.get("day", "28")))
        except ValueError:
            return None


DATA_KINDS = {
    kind.name: kind
    for kind in (
        DataKind("reports", "reports/", 3, _BY_PATH),
        DataKind("states", "states/", 3, _BY_PATH),
        DataKind("merged", "merged/", 2, _BY_PATH),
        DataKind("explanations", "explanations/", 2, _BY_PATH),
        DataKind("probes", "probes/", 2, _BY_PATH),
        DataKind("alerts", "alerts/", 3, _BY_WINDOW),
        DataKind("notices", "notices/", 0, None),
        DataKind("ledger", "ledger/", 1, _BY_PARTITION),
        DataKind("ledger_events", "ledger_events/", 1, _BY_PARTITION),
        DataKind("events", "events/archive/", 0, _BY_PATH),
        DataKind("cost", "cost/", 0, _BY_MONTH),
    )
}
"""Every kind that may have a retention. What lies elsewhere below the prefix is never deleted."""


@dataclass(frozen=True)
class Expiry:
    """Before which day each kind may be deleted, and a sentence for each retention that is longer than declared."""

    before: Mapping[str, date]
    notes: tuple[str, ...] = ()


def expiry(retention: RetentionSpec, specs: Collection["EndpointSpec"], today: date) -> Expiry:
    """Return what is past its retention on a day; kinds without a retention are not among it.

    What runs still look for is kept longer than declared: merged hours and reports as long as labels may come and a
    model may be trained or compared on them, verdicts as long as the reports they speak of.
    """
    declared: dict[str, int | None] = retention.model_dump()
    looked_back = _looked_back_days(specs)
    floors = dict.fromkeys(("merged", "reports", "alerts"), looked_back)
    reports = declared["reports"]
    floors["ledger"] = max(_LEDGER_DAYS, looked_back)
    before: dict[str, date] = {}
    notes = []
    for name, days in declared.items():
        if days is None:
            continue
        kept = max(days, floors.get(name, 0))
        if name == "ledger":
            if reports is None:
                notes.append("ledger: kept for ever, as reports are: no verdict goes before its report")
                continue
            kept = max(kept, reports, looked_back)
        if kept > days:
            notes.append(f"{name}: kept for {kept} days in place of {days}, as runs look for it so far back")
        before[name] = today - timedelta(days=kept)
    return Expiry(before, tuple(notes))


def _looked_back_days(specs: Collection["EndpointSpec"]) -> int:
    """Return how many days back any endpoint's labels, training or comparison may reach, and two for good measure."""
    days = [0]
    for spec in specs:
        if spec.ground_truth is not None and spec.ground_truth.enabled:
            days.append(spec.ground_truth.horizon_days + 1)
        if spec.retraining is not None:
            days.append(spec.retraining.training_days + spec.retraining.gate.evaluation_days)
    return max(days) + 2 if len(days) > 1 else 0
