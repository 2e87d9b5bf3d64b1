"""Watchkeeper in a notebook: read verdicts, profile a frame, make a baseline of one, check another against it.

>>> from watchkeeper import api
>>> reference = api.baseline(training_frame)
>>> api.check(todays_frame, reference).query("outcome == 'violated'")
>>> api.read_verdicts(days=7).pivot_table(index="window_start", columns="endpoint", values="violated_count")
>>> api.read_events(days=30, kinds=["job"]).groupby("job_base_name")["cost_usd"].sum()

A float column that has missing values and otherwise only whole numbers is read as integers: that is what pandas makes
of an integer column with a gap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from watchkeeper.analysis.constraint_evaluation import Baseline
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.aws.silence_store import SilenceStore
    from watchkeeper.registry.deployment_settings import DeploymentSettings
    from watchkeeper.registry.routing_spec import SilenceSpec

__all__ = [
    "FrameBaseline",
    "baseline",
    "check",
    "explain_prediction",
    "lift_silence",
    "load_baseline",
    "profile",
    "read_costs",
    "read_events",
    "read_incidents",
    "read_verdicts",
    "silence",
    "silences",
]

Dialect = Literal["exact", "compatible"]
_FINDING_COLUMNS = ("feature", "check", "outcome", "reason", "observed", "limit", "severity")


@dataclass(frozen=True)
class FrameBaseline:
    """What a frame is checked against: Model Monitor's two documents, as bytes, and what they say."""

    statistics: bytes
    constraints: bytes

    @property
    def parsed(self) -> "Baseline":
        """The documents, read."""
        from watchkeeper.analysis.constraint_evaluation import Baseline
        from watchkeeper.analysis.constraint_set import decode_constraints
        from watchkeeper.analysis.dataset_statistics import decode_statistics

        return Baseline(decode_constraints(self.constraints), decode_statistics(self.statistics))


def read_verdicts(
    *,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    days: float = 7,
    endpoints: Sequence[str] | None = None,
    monitor: str = "data_quality",
    period: Literal["hourly", "daily"] | None = None,
    every_revision: bool = False,
    settings: "DeploymentSettings | None" = None,
    access: "AwsAccess | None" = None,
) -> "pd.DataFrame":
    """Return the ledger's verdicts as a pandas frame in time order, one row per endpoint, variant and window.

    Windows that start in ``[start, end)``; without ``start`` the last ``days``. The newest revision of each unless
    ``every_revision``. Bucket and prefix come from ``settings``, by default from ``WATCHKEEPER_…`` in the
    environment. An empty ledger gives an empty frame with all columns.
    """
    from watchkeeper.aws.ledger import Ledger

    settings, access = _opened(settings, access)
    since, until = _span(start, end, days)
    rows = Ledger(settings.bucket, settings.prefix, access.client("s3")).read(
        monitor, since, until, endpoints=endpoints, period=period, every_revision=every_revision
    )
    return _frame(rows, ("window_start", "window_end", "recorded_at"))


def read_events(
    *,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    days: float = 7,
    kinds: Sequence[str] | None = None,
    endpoints: Sequence[str] | None = None,
    settings: "DeploymentSettings | None" = None,
    access: "AwsAccess | None" = None,
) -> "pd.DataFrame":
    """Return platform events and job outcomes as a pandas frame in time order, one row per event.

    What happened in ``[start, end)``; without ``start`` in the last ``days``. ``kinds`` as docs/platform-events.md
    lists them: ``job`` has a row per job that ended, with its figures and cost, ``api_call`` who changed what.
    ``endpoints`` are registry ids. Nothing recorded gives an empty frame with all columns; ValueError names a kind
    that there is not.
    """
    import polars as pl

    from watchkeeper.aws.event_ledger import EventLedger

    settings, access = _opened(settings, access)
    since, until = _span(start, end, days)
    rows = EventLedger(settings.bucket, settings.prefix, access.client("s3")).read(since, until, kinds=kinds)
    if endpoints is not None:
        rows = rows.filter(pl.col("endpoint").is_in(list(endpoints)))
    return _frame(rows, ("at", "created_at", "started_at", "ended_at", "recorded_at"))


def read_costs(
    *,
    months: int = 12,
    every_line: bool = False,
    settings: "DeploymentSettings | None" = None,
    access: "AwsAccess | None" = None,
) -> "pd.DataFrame":
    """Return the newest cost reports as a pandas frame, one row per month and endpoint; ``_fleet`` is all together.

    Columns: month, endpoint, owner, ceiling_usd, declared_usd, predicted_usd, actual_usd, steps, exceeds, is_refused;
    amounts are USD a month. With ``every_line`` a row per line of what was found instead: item, quantity, unit,
    unit_usd, usd, and is_measured, which is false for what was predicted by the traffic that was seen. Without any
    report the frame is empty, with all columns.
    """
    import pandas as pd

    from watchkeeper.aws.cost_store import CostStore
    from watchkeeper.aws.cost_table import COST_COLUMNS, LINE_COLUMNS, cost_rows

    settings, access = _opened(settings, access)
    store = CostStore(settings.bucket, settings.prefix, access.client("s3"))
    rows = list(cost_rows(store, months, every_line=every_line))
    return pd.DataFrame(rows, columns=list(LINE_COLUMNS if every_line else COST_COLUMNS))


def read_incidents(
    *,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    days: float = 7,
    endpoints: Sequence[str] | None = None,
    every_step: bool = False,
    settings: "DeploymentSettings | None" = None,
    access: "AwsAccess | None" = None,
) -> "pd.DataFrame":
    """Return incidents as a pandas frame, one row each: alarms, actions, what came of the last, and how long it took.

    Those whose first alarm went off in ``[start, end)``; without ``start`` in the last ``days``. With ``every_step`` a
    row per action instead: who allowed it, configuration and instances before and after, how it was verified. Without
    any the frame is empty, with all columns.
    """
    import pandas as pd

    from watchkeeper.aws.incident_store import IncidentStore
    from watchkeeper.aws.incident_table import INCIDENT_COLUMNS, STEP_COLUMNS, TIMES, incident_rows

    settings, access = _opened(settings, access)
    since, until = _span(start, end, days)
    store = IncidentStore(settings.bucket, settings.prefix, access.client("s3"))
    rows = list(incident_rows(store, since, until, endpoints, every_step=every_step))
    frame = pd.DataFrame(rows, columns=list(STEP_COLUMNS if every_step else INCIDENT_COLUMNS))
    for column in TIMES & set(frame.columns):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return frame


def _opened(
    settings: "DeploymentSettings | None", access: "AwsAccess | None"
) -> "tuple[DeploymentSettings, AwsAccess]":
    """Return what was given; what was not, from the environment."""
    import os

    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.registry.deployment_settings import DeploymentSettings

    settings = settings or DeploymentSettings.from_mapping(dict(os.environ))
    return settings, access or AwsAccess(None, settings.region_name)


def _span(start: datetime | str | None, end: datetime | str | None, days: float) -> tuple[datetime, datetime]:
    from watchkeeper.registry.capture_window import parse_moment, utc_moment

    def moment(given: datetime | str) -> datetime:
        return parse_moment(given) if isinstance(given, str) else utc_moment(given)

    until = datetime.now(UTC) if end is None else moment(end)
    return (until - timedelta(days=days) if start is None else moment(start)), until


def _frame(rows: "pl.DataFrame", moments: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    # Row by row: polars' own conversion wants pyarrow, which nobody else here does.
    frame = pd.DataFrame(rows.to_dicts(), columns=rows.columns)
    for column in moments:
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return frame


def profile(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return a frame's statistics, one row per column: type, counts, moments, distinct values.

    These are the figures of Model Monitor's ``statistics.json``; DatasetError for nested columns or no rows.
    """
    import pandas as pd

    from watchkeeper.analysis.dataset_profile import profile_frame
    from watchkeeper.analysis.dataset_statistics import statistics_of

    rows = []
    for feature in statistics_of(profile_frame(frame)).features.values():
        numbers, strings = feature.numerical, feature.string
        rows.append(
            {
                "feature": feature.name,
                "inferred_type": feature.inferred_type.value,
                "num_present": feature.present,
                "num_missing": feature.missing,
                "completeness": feature.completeness,
                "mean": numbers.mean if numbers else None,
                "std_dev": numbers.standard_deviation if numbers else None,
                "min": numbers.minimum if numbers else None,
                "max": numbers.maximum if numbers else None,
                "distinct_count": strings.distinct_count if strings else (numbers.distinct_count if numbers else None),
            }
        )
    return pd.DataFrame(rows).set_index("feature")


def baseline(frame: "pd.DataFrame") -> FrameBaseline:
    """Return the baseline that a frame of training data makes; DatasetError for nested columns or no rows."""
    from watchkeeper.analysis.constraint_set import encode_constraints
    from watchkeeper.analysis.constraint_suggestion import suggest_constraints
    from watchkeeper.analysis.dataset_profile import profile_frame
    from watchkeeper.analysis.dataset_statistics import encode_statistics, statistics_of

    statistics = statistics_of(profile_frame(frame))
    return FrameBaseline(encode_statistics(statistics), encode_constraints(suggest_constraints(statistics)))


def load_baseline(
    endpoint: str,
    *,
    version: str | None = None,
    monitor: str = "data_quality",
    settings: "DeploymentSettings | None" = None,
    access: "AwsAccess | None" = None,
) -> FrameBaseline:
    """Return an endpoint's baseline of data or model quality from the report store: the one in force, or a ``version``.

    BaselineMissingError, naming the command that makes one, if there is none.
    """
    if monitor not in {"data_quality", "model_quality"}:
        message = f"got the monitor {monitor!r}, whose baseline a frame cannot be checked against; use data_quality"
        raise ValueError(message)
    from watchkeeper.aws.baseline_store import BaselineStore

    settings, access = _opened(settings, access)
    store = BaselineStore(settings.bucket, settings.prefix, access.client("s3"))
    chosen = version or store.choose(endpoint, monitor, None).version
    return FrameBaseline(
        store.document(endpoint, monitor, chosen, "statistics.json"),
        store.document(endpoint, monitor, chosen, "constraints.json"),
    )


def explain_prediction(
    endpoint: str,
    *,
    event_id: str | None = None,
    inference_id: str | None = None,
    variant: str = "AllTraffic",
    days: float = 7,
    end: datetime | str | None = None,
    settings: "DeploymentSettings | None" = None,
    access: "AwsAccess | None" = None,
) -> "pd.DataFrame":
    """Return why the model answered one request as it did: one row per request's row, label and feature.

    Looked for in the windows of the last ``days`` before ``end`` (by default now) whose explanations were kept
    (``monitors.explainability.local_values``). Columns: row, label, expected_value, prediction, feature, shap_value;
    the strongest feature first. Empty where the request was not among the explained ones. ValueError unless exactly
    one of the ids is given.
    """
    import pandas as pd

    from watchkeeper.aws.explanation_store import ExplanationStore
    from watchkeeper.registry.capture_window import Window, hour_floor

    settings, access = _opened(settings, access)
    _, moment = _span(None, end, days)
    until = hour_floor(moment) + timedelta(hours=1)
    store = ExplanationStore(settings.bucket, settings.prefix, access.client("s3"))
    span = Window(hour_floor(until - timedelta(days=days)), until)
    found = store.find(endpoint, variant, span, event_id=event_id, inference_id=inference_id)
    columns = ("row", "label", "expected_value", "prediction", "feature", "shap_value")
    rows = [
        (one.row_number, one.label, one.expected_value, one.prediction, feature, value)
        for one in found
        for feature, value in one.drivers
    ]
    return pd.DataFrame(rows, columns=list(columns))


def silence(
    *,
    until: datetime | str,
    reason: str,
    author: str,
    settings: "DeploymentSettings | None" = None,
    access: "AwsAccess | None" = None,
    **match: Sequence[str] | Mapping[str, str],
) -> str:
    """Tell nobody of what ``match`` names until a moment, and return the silence's id.

    ``match`` is ``endpoint``, ``owner``, ``monitor``, ``severity``, ``kind`` (lists) or ``tags``; all that is given
    must hold, and something must be given. SettingsError tells every fault at once.
    """
    from watchkeeper.registry.silence_form import make_silence

    made = make_silence(match, until, reason, author, datetime.now(UTC))
    return _silence_store(settings, access).write(made)


def lift_silence(
    silence_id: str, *, settings: "DeploymentSettings | None" = None, access: "AwsAccess | None" = None
) -> None:
    """End a silence that was made while all runs on; StoreError if there is none of this id."""
    _silence_store(settings, access).lift(silence_id)


def silences(
    *, settings: "DeploymentSettings | None" = None, access: "AwsAccess | None" = None
) -> "dict[str, SilenceSpec]":
    """Return by id the silences that were made while all runs on and are not over; ``fleet.yaml`` may hold others."""
    now = datetime.now(UTC)
    found = _silence_store(settings, access).all(lambda _: None)
    return {silence_id: silence for silence_id, silence in found if now < silence.until}


def _silence_store(settings: "DeploymentSettings | None", access: "AwsAccess | None") -> "SilenceStore":
    from watchkeeper.aws.silence_store import SilenceStore

    settings, access = _opened(settings, access)
    return SilenceStore(settings.bucket, settings.prefix, access.client("s3"))


def check(
    frame: "pd.DataFrame",
    against: "FrameBaseline | pd.DataFrame",
    *,
    dialect: Dialect = "exact",
    thresholds: Mapping[str, Any] | None = None,
    features: Mapping[str, Mapping[str, Any]] | None = None,
    exclude: Sequence[str] = (),
) -> "pd.DataFrame":
    """Return every check's finding on a frame, the worst violations first; the verdict is in ``attrs["verdict"]``.

    ``against`` is a baseline or a frame to make one of. ``thresholds`` and ``features`` are those of an endpoint's
    file, laid over the baseline's. Columns: feature, check, outcome, reason, observed, limit, severity.
    """
    import pandas as pd

    from watchkeeper.analysis.constraint_evaluation import Dialect as DialectName
    from watchkeeper.analysis.dataset_profile import profile_frame
    from watchkeeper.analysis.finding import Outcome, worst_first
    from watchkeeper.analysis.judgement import JudgementRules, judge_state

    reference = against if isinstance(against, FrameBaseline) else baseline(against)
    rules = JudgementRules(
        dialect=DialectName(dialect), thresholds=thresholds or {}, features=features or {}, exclude=exclude
    )
    judgement = judge_state(profile_frame(frame), reference.parsed, rules)
    others = [finding for finding in judgement.findings if finding.outcome is not Outcome.VIOLATED]
    rows = [
        {
            "feature": finding.feature,
            "check": finding.check.value,
            "outcome": finding.outcome.value,
            "reason": finding.reason,
            "observed": finding.observed,
            "limit": finding.limit,
            "severity": finding.severity.value if finding.outcome is Outcome.VIOLATED else None,
        }
        for finding in [*worst_first(judgement.findings), *others]
    ]
    found = pd.DataFrame(rows, columns=list(_FINDING_COLUMNS))
    found.attrs = {"verdict": judgement.verdict.value, "reason": judgement.reason}
    return found
