"""The right to write something of results once: their metric points, their telemetry."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

from watchkeeper.aws.claim_record import Claim, ClaimedElsewhereError

if TYPE_CHECKING:
    from watchkeeper.aws.alert_record import AlertClaim
    from watchkeeper.aws.window_result import WindowResult
    from watchkeeper.operators.monitor_base import Deployment

_CLAIMERS = 8


def claim_results(
    deployment: "Deployment",
    results: "Iterable[WindowResult]",
    *,
    kind: str,
    part: str,
    now: datetime,
    run_id: str,
    warn: Callable[[str], None],
) -> "list[tuple[WindowResult, AlertClaim]]":
    """Return the results of which ``kind`` was never written, each with the right to do so.

    ``warn`` is told of those that another run is about to write.
    """
    given = list(results)

    def claim_one(result: "WindowResult") -> "AlertClaim | ClaimedElsewhereError | None":
        try:
            return deployment.alerts.claim(result, kind=kind, now=now, part=part, run_id=run_id)
        except ClaimedElsewhereError as error:
            return error

    with ThreadPoolExecutor(_CLAIMERS) as claimers:
        taken = list(claimers.map(claim_one, given))
    for result, claim in zip(given, taken, strict=True):
        if isinstance(claim, ClaimedElsewhereError):
            warn(f"The {kind} of {result.endpoint}, {result.window} are left to another run: {claim}")
    return [(result, claim) for result, claim in zip(given, taken, strict=True) if isinstance(claim, Claim)]


def settle_claims(claims: "Iterable[AlertClaim]", act: "Callable[[AlertClaim], object]") -> None:
    """Mark claims as used, or give them back, side by side."""
    with ThreadPoolExecutor(_CLAIMERS) as claimers:
        list(claimers.map(act, claims))
