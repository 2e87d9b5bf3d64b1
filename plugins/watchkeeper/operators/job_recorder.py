"""Records a job that has ended: in the ledger of events, and its figures in CloudWatch, once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from watchkeeper.errors import RegistryError
from watchkeeper.operators.export_events import export_events

if TYPE_CHECKING:
    from watchkeeper.aws.job_facts import JobFacts
    from watchkeeper.aws.ledger import RunFacts
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.price_table import PriceTable

#: The name of all jobs together whose names are too many.
OTHERS: Final = "others"
_NAMES_FROM: Final = timedelta(days=30)
_JOB_NAME: Final = "Jobs"


def job_namespace(root: str) -> str:
    """Return the namespace of what jobs come to, such as ``Watchkeeper/Jobs``."""
    return f"{root}/{_JOB_NAME}"


def read_prices(deployment: "Deployment", warn: Callable[..., None]) -> "PriceTable | None":
    """Return the price table; ``None``, with a warning, where it cannot be read: jobs have no cost then."""
    from watchkeeper.registry.price_table import load_prices

    try:
        return load_prices(deployment.settings.include_folder())
    except RegistryError as error:
        warn("No costs of jobs: %s", error)
        return None


def record_ended_job(
    deployment: "Deployment",
    facts: "JobFacts",
    run: "RunFacts",
    *,
    endpoint: str | None,
    now: datetime,
    warn: Callable[..., None],
) -> list[str]:
    """Record a job that has ended, and put its figures; return what went wrong with the latter, a sentence each.

    The row is written before the points, both once per job: whoever is killed in between, or comes second, goes on
    where the other stopped. ClaimedElsewhereError when another run is just putting the points.
    """
    from watchkeeper.aws.event_ledger import job_row

    base_name = _counted_name(deployment, facts, now)
    arn = facts.arn.split(":")
    row = job_row(facts, base_name=base_name, endpoint=endpoint, account=arn[4], region=arn[3])
    export_events(deployment, deployment.event_ledger.record([row], run), now=now, warn=warn)
    if not deployment.fleet.events.job_metrics:
        return []
    return _put_points(deployment, facts, base_name, run.run_id, now, warn)


def _counted_name(deployment: "Deployment", facts: "JobFacts", now: datetime) -> str:
    """Return the name that the job's figures stand under: its base name, unless there are too many of its type."""
    import polars as pl

    from watchkeeper.aws.event_ledger import JOB_KIND

    rows = deployment.event_ledger.read(now - _NAMES_FROM, now + timedelta(days=1), kinds=[JOB_KIND])
    known = set(rows.filter(pl.col("job_type") == facts.job_type)["job_base_name"]) - {OTHERS}
    few = len(known) < deployment.fleet.events.maximum_job_names
    return facts.base_name if facts.base_name in known or few else OTHERS


def _put_points(
    deployment: "Deployment",
    facts: "JobFacts",
    base_name: str,
    run_id: str,
    now: datetime,
    warn: Callable[..., None],
) -> list[str]:
    from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
    from watchkeeper.aws.job_facts import job_points
    from watchkeeper.aws.monitor_metrics import OLDEST_POINT

    if facts.ended_at is not None and now - facts.ended_at >= OLDEST_POINT:
        warn("%s %s ended more than two weeks ago: CloudWatch takes no points of it", facts.job_type, facts.name)
        return []
    # PutMetricData adds up, so each job's points are claimed first.
    claim = deployment.event_work.claim(facts.job_id, f"points of {facts.arn}", now=now, run_id=run_id)
    if claim is None:
        return []
    report = deployment.access.open(CloudWatchHook).put_metric_data(
        job_namespace(deployment.settings.metrics_namespace), job_points(facts, base_name, now)
    )
    if report.failure is not None and not report.accepted_count:
        deployment.event_work.release(claim)
        raise report.failure
    # What was taken is there for good, and written again it would add up: then some points are better lost.
    deployment.event_work.settle(claim, now=now, result=f"{report.accepted_count} points")
    faults = [f"figures of {facts.name}: CloudWatch refused {refusal}" for refusal in report.refusals]
    for fault in faults:
        warn("%s", fault)
    return faults
