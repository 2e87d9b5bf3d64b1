"""Cost reports as rows: one for each month and endpoint, or one for each line of what was found."""

from collections.abc import Iterator
from typing import Any

import msgspec

from watchkeeper.aws.cost_store import CostRecord, CostStore

COST_COLUMNS = (
    "month",
    "endpoint",
    "owner",
    "ceiling_usd",
    "declared_usd",
    "predicted_usd",
    "actual_usd",
    "steps",
    "exceeds",
    "is_refused",
)
LINE_COLUMNS = ("month", "endpoint", *CostRecord.__struct_fields__, "is_measured")


def cost_rows(store: CostStore, months: int, *, every_line: bool) -> Iterator[dict[str, Any]]:
    """Yield the rows of the newest reports, with the keys of ``COST_COLUMNS`` or of ``LINE_COLUMNS``."""
    for month in list(store.months())[-months:]:
        report = store.read(month)
        for cost in () if report is None else (*report.endpoints, report.fleet):
            if not every_line:
                yield {"month": month} | {name: getattr(cost, name) for name in COST_COLUMNS[1:]}
                continue
            for line in cost.actual:
                known = {"month": month, "endpoint": cost.endpoint, "is_measured": line.item in cost.measured}
                yield known | msgspec.structs.asdict(line)
