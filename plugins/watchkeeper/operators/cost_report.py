"""What watching costs a month, endpoint by endpoint: as declared, as in force, and as found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.cost_facts import (
    LOOK_BACK,
    CostFacts,
    count_held,
    count_job_hours,
    count_shadow_hours,
    observe_traffic,
)
from watchkeeper.aws.cost_store import CostRecord, CostReport, EndpointCost, month_of
from watchkeeper.aws.resource_place import PlaceBook
from watchkeeper.errors import WatchkeeperError
from watchkeeper.registry.alarm_name import FLEET
from watchkeeper.registry.capture_window import moment_text
from watchkeeper.registry.cost_control import cost_basis
from watchkeeper.registry.cost_degradation import CostBasis, CostVerdict, judge_cost
from watchkeeper.registry.cost_drivers import predicted_drivers
from watchkeeper.registry.cost_estimate import CostDrivers, CostEstimate, counted_drivers, estimate, total_drivers
from watchkeeper.registry.cost_spec import CostSpec

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.aws.resource_place import ResourcePlace
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec

#: Traffic that differs from what a file assumes by more than this factor is told.
_FAR_OFF = 2.0


def make_report(deployment: "Deployment", now: datetime, housekeeping: tuple[str, ...] = ()) -> CostReport:
    """Return this month's report as of ``now``; RegistryError when prices or the fleet's file are faulty."""
    settings = deployment.settings
    basis = cost_basis(settings.include_folder(), settings.region_name)
    facts = gather_facts(deployment, now)
    verdicts = {
        name: deployment.cost.verdicts.get(name) or judge_cost(spec, basis)
        for name, spec in sorted(deployment.registry.endpoints.items())
    }
    predicted: list[CostDrivers] = []
    found: list[CostDrivers] = []
    endpoints = []
    for name, verdict in verdicts.items():
        spec = verdict.spec
        predicted.append(_drivers(spec, basis, None))
        found.append(actual_drivers(spec, basis, facts))
        endpoints.append(_endpoint_cost(name, verdict, basis, found[-1], facts))
    fleet = deployment.fleet.cost.ceiling_usd_per_month
    own = counted_drivers(facts.counts.get(FLEET, {}))
    return CostReport(
        month=month_of(now),
        made_at=moment_text(now),
        prices_of=basis.prices.date.isoformat(),
        currency=basis.prices.currency,
        fleet=_fleet_cost(basis, fleet, total_drivers([*predicted, own]), total_drivers([*found, own])),
        endpoints=tuple(endpoints),
        problems=tuple(facts.problems),
        housekeeping=housekeeping,
    )


def gather_facts(deployment: "Deployment", now: datetime) -> CostFacts:
    """Return what can be found out of all endpoints; what cannot is among its problems."""
    facts = CostFacts()
    specs = list(deployment.registry.endpoints.values())
    accesses = _ways(deployment, specs, facts)
    settings = deployment.settings
    count_held(
        facts,
        accesses,
        deployment.access,
        specs,
        resource_prefix=settings.resource_prefix,
        namespace=settings.metrics_namespace,
    )
    since = now - LOOK_BACK

    def verdicts() -> None:
        observe_traffic(facts, deployment.ledger.read("data_quality", since, now), specs)
        shadows = {spec.registry_id: _shadow_kind(spec) for spec in specs if _has_shadow(spec)}
        if shadows:
            explained = deployment.ledger.read("explainability", since, now)
            count_shadow_hours(facts, explained, shadows, LOOK_BACK.total_seconds() / 86400)

    def jobs() -> None:
        count_job_hours(facts, deployment.event_ledger.read(since, now, kinds=("job",)), since, now)

    for what, look in (("traffic", verdicts), ("jobs", jobs)):
        _told(facts, what, look)
    return facts


def _ways(deployment: "Deployment", specs: "list[EndpointSpec]", facts: CostFacts) -> "list[AwsAccess]":
    """Return one way to each account and region: through two of them what is there would be counted twice."""
    book = PlaceBook(deployment.access)
    found: dict[ResourcePlace, AwsAccess] = {}

    def look(access: "AwsAccess") -> None:
        found.setdefault(book.place_of(access), access)

    for access in dict.fromkeys([deployment.access, *(deployment.access_of(spec) for spec in specs)]):
        _told(facts, f"the account of {access.role_arn or access.aws_conn_id}", partial(look, access))
    return list(found.values())


def actual_drivers(spec: "EndpointSpec", basis: CostBasis, facts: CostFacts) -> CostDrivers:
    """Return what an endpoint took: what was measured, and by its traffic what nobody counts."""
    drivers = _drivers(spec, basis, facts)
    measured: dict[str, Any] = dict(facts.counts.get(spec.registry_id, {}))
    hours = dict(drivers.instance_hours)
    for name, value in facts.hours.get(spec.registry_id, {}).items():
        # What was measured of one use stands in for all that was predicted of it.
        use = name.partition("/")[0]
        hours = {known: amount for known, amount in hours.items() if known.partition("/")[0] != use} | {name: value}
    return replace(drivers, **measured, instance_hours=hours)


def _drivers(spec: "EndpointSpec", basis: CostBasis, facts: CostFacts | None) -> CostDrivers:
    observed = None if facts is None else facts.traffic.get(spec.registry_id)
    if observed is not None and spec.cost is not None:
        # Found is found, whatever the file assumes.
        seen = {name: value for name, value in vars(observed).items() if value is not None}
        assumptions = spec.cost.assumptions.model_copy(update=seen)
        spec = spec.model_copy(update={"cost": spec.cost.model_copy(update={"assumptions": assumptions})})
    return predicted_drivers(
        spec, basis.retention, infrastructure=basis.counts(spec), kept=basis.kept_of(spec), observed=observed
    )


def _endpoint_cost(
    name: str, verdict: CostVerdict, basis: CostBasis, found: CostDrivers, facts: CostFacts
) -> EndpointCost:
    spec = verdict.spec
    region = spec.region_name or basis.region or basis.prices.base_region
    actual = estimate(found, basis.prices, region)
    ceiling = spec.cost.ceiling_usd_per_month if spec.cost else None
    notes = [*verdict.notes, *verdict.predicted.notes, *_traffic_notes(spec, facts)]
    exceeds = verdict.exceeds
    if exceeds is None and ceiling is not None and actual.usd > ceiling:
        exceeds = f"found {actual.usd:,.2f} USD a month, over the ceiling of {ceiling:,.2f}"
    measured = {*facts.counts.get(name, {}), *facts.hours.get(name, {})}
    return EndpointCost(
        endpoint=name,
        owner=spec.owner,
        region=region,
        ceiling_usd=ceiling,
        declared_usd=verdict.declared.usd,
        predicted_usd=verdict.predicted.usd,
        actual_usd=actual.usd,
        predicted=_records(verdict.predicted),
        actual=_records(actual),
        measured=tuple(sorted(measured)),
        steps=verdict.steps,
        notes=tuple(dict.fromkeys(notes)),
        exceeds=exceeds,
        is_refused=verdict.is_refused,
    )


def _fleet_cost(basis: CostBasis, ceiling: float | None, predicted: CostDrivers, found: CostDrivers) -> EndpointCost:
    """Return all endpoints together: tiers and what an account has free count here, and in the base region."""
    before, after = (estimate(drivers, basis.prices, basis.region, free=True) for drivers in (predicted, found))
    exceeds = None
    worse = max(before.usd, after.usd)
    if ceiling is not None and worse > ceiling:
        which = "predicted" if before.usd >= after.usd else "found"
        exceeds = f"{which} {worse:,.2f} USD a month for all endpoints, over the ceiling of {ceiling:,.2f}"
    return EndpointCost(
        endpoint=FLEET,
        region=basis.region or basis.prices.base_region,
        ceiling_usd=ceiling,
        declared_usd=before.usd,
        predicted_usd=before.usd,
        actual_usd=after.usd,
        predicted=_records(before),
        actual=_records(after),
        exceeds=exceeds,
    )


def _traffic_notes(spec: "EndpointSpec", facts: CostFacts) -> list[str]:
    """Return where a file's assumptions are far off what was seen."""
    seen = facts.traffic.get(spec.registry_id)
    given = (spec.cost or CostSpec()).assumptions
    notes = []
    for name, unit in (("invocations_per_hour", "invocations an hour"), ("bytes_per_record", "bytes a record")):
        assumed, found = getattr(given, name), getattr(seen, name, None)
        if assumed is None or found is None:
            continue
        low, high = sorted((assumed, found))
        if high > _FAR_OFF * low:
            notes.append(f"assumed {assumed:,.0f} {unit}, found {found:,.0f}: correct cost.assumptions.{name}")
    return notes


def _records(found: CostEstimate) -> tuple[CostRecord, ...]:
    return tuple(CostRecord(**vars(line)) for line in found.lines)


def _has_shadow(spec: "EndpointSpec") -> bool:
    return bool(spec.periods_of("explainability")) and spec.explainability.model.is_shadow


def _shadow_kind(spec: "EndpointSpec") -> str:
    shadow = spec.explainability.model.shadow
    return (shadow and shadow.instance_type) or (spec.cost or CostSpec()).assumptions.shadow_instance_type


def _told(facts: CostFacts, what: str, look: Callable[[], None]) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        look()
    except (BotoCoreError, ClientError, WatchkeeperError) as error:
        facts.problems.append(f"{what} could not be told: {' '.join(str(error).split())}")
