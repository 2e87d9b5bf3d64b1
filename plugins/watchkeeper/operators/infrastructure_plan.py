"""Makes the plan: what the files declare, compared with what AWS holds. Reads only."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

from watchkeeper.aws.absent_alarms import absent_alarms
from watchkeeper.aws.desired_state import (
    Declaration,
    DesiredState,
    add_endpoint,
    add_fleet,
    bucket_places,
    capture_bucket,
    deployment_tag,
)
from watchkeeper.aws.endpoint_shape import EndpointShape, endpoint_shape
from watchkeeper.aws.resource_holders import resource_holders
from watchkeeper.aws.resource_place import PlaceBook, ResourcePlace
from watchkeeper.aws.resource_plan import FieldChange, ResourceChange, ResourcePlan
from watchkeeper.aws.resource_planner import ResourcePlanner
from watchkeeper.errors import RegistryError, WatchkeeperError
from watchkeeper.registry.alarm_name import FLEET
from watchkeeper.registry.capture_window import moment_text

if TYPE_CHECKING:
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec

_READERS = 8


def make_plan(deployment: "Deployment", run: str, endpoints: Iterable[str], now: datetime) -> ResourcePlan:
    """Return the plan for these endpoints, or for all of them and the fleet; RegistryError for an unknown one.

    An endpoint that cannot be looked at is a fault and is left as it is; the others are planned.
    """
    registry, settings = deployment.registry, deployment.settings
    wanted = tuple(dict.fromkeys(endpoints))
    unknown = [name for name in wanted if name not in registry.endpoints and name != FLEET]
    if unknown:
        raise RegistryError(str(registry.folder), tuple(f"{name}: no such endpoint file" for name in unknown))
    book = PlaceBook(deployment.access)
    state, faults = DesiredState(), []
    specs = [spec for _, spec in sorted(registry.endpoints.items())]
    places, place_faults = _places(deployment, specs, book)
    faults += place_faults
    absent, absence_faults = _absent(deployment, specs, places)
    faults += absence_faults
    buckets = bucket_places(specs, places, settings.bucket)
    given = Declaration(settings, deployment.fleet, book, absent, buckets)
    # Of all endpoints, as what is for the fleet speaks of them all; only what is asked for is compared.
    needed = [spec for spec in specs if not wanted or FLEET in wanted or spec.registry_id in wanted]
    shapes = _shapes(deployment, [spec for spec in needed if spec.wanted_infrastructure and spec.registry_id in places])
    for spec in needed:
        shape = shapes.get(spec.registry_id)
        if refusal := deployment.cost.refusal(spec.registry_id):
            state.held.add(spec.registry_id)
            faults.append(f"{spec.registry_id} is left as it is: {refusal}")
            continue
        if isinstance(shape, Exception) or spec.registry_id not in places:
            state.held.add(spec.registry_id)
            if shape is not None:
                faults.append(f"{spec.registry_id} is left as it is: {' '.join(str(shape).split())}")
            continue
        add_endpoint(state, spec, shape, places[spec.registry_id], given)
    scopes = frozenset(wanted) if wanted else None
    if scopes is None or FLEET in scopes:
        known = [spec for spec in specs if spec.registry_id in places]
        state.places |= {place: given.places.identity(place) for place in places.values()}
        add_fleet(state, known, lambda spec: places[spec.registry_id], given)
    if registry.problems:
        state.notes.append("endpoint files are faulty: nothing of an endpoint without a sound file is pruned")
    resources = [one for one in state.resources if scopes is None or one.scope in scopes]
    planner = ResourcePlanner(
        deployment_tag(settings),
        deployment.access,
        tuple(dict.fromkeys((ResourcePlace(), *places.values()))),
        resource_holders(
            settings.resource_prefix,
            deployment_tag(settings),
            resources,
            settings.bucket,
            [(buckets[name], name) for name in map(capture_bucket, needed) if name in buckets],
        ),
    )
    found = planner.compare(resources, scopes, frozenset(state.held))
    changes = [
        change
        for change in found.changes
        if not (registry.problems and change.action == "prune" and change.scope not in {*registry.endpoints, FLEET})
    ]
    # Who writes to a log group makes it, at its first line.
    missing = [one for one in changes if one.kind == "log_retention" and one.action == "create"]
    state.notes += [f"log group {one.name} is not there yet: its retention is set when it is" for one in missing]
    changes = [change for change in changes if change not in missing]
    changes += [
        _capture_change(registry.require(name), differences, places[name])
        for name, differences in state.captures.items()
        if scopes is None or name in scopes
    ]
    cost, cost_notes = _predicted_cost(deployment, [spec for spec in needed if spec.wanted_infrastructure])
    return ResourcePlan(
        run=run,
        deployment=deployment_tag(settings),
        made_at=moment_text(now),
        changes=tuple(changes),
        unchanged=found.unchanged,
        notes=tuple(dict.fromkeys((*state.notes, *found.notes, *cost_notes))),
        faults=(*faults, *found.faults),
        cost=cost,
    )


def _absent(
    deployment: "Deployment", specs: "list[EndpointSpec]", places: dict[str, ResourcePlace]
) -> tuple[frozenset[str], list[str]]:
    """Return the alarms on absence that are not to be made yet; where that cannot be told, none, and why."""
    from botocore.exceptions import BotoCoreError, ClientError

    given, faults = deployment.settings, list[str]()
    try:
        return absent_alarms(
            specs,
            places,
            deployment.fleet,
            given.resource_prefix,
            given.metrics_namespace,
            deployment.access,
            faults.append,
        ), faults
    except (ClientError, BotoCoreError, WatchkeeperError) as error:
        return frozenset(), [*faults, f"what has never been there could not be told: {' '.join(str(error).split())}"]


def planner_of(deployment: "Deployment", changes: Iterable[ResourceChange]) -> ResourcePlanner:
    """Return who applies these changes, whatever the files say by now."""
    settings, given = deployment.settings, tuple(changes)
    return ResourcePlanner(
        deployment_tag(settings),
        deployment.access,
        tuple(dict.fromkeys(change.place for change in given)),
        resource_holders(settings.resource_prefix, deployment_tag(settings), given, settings.bucket),
    )


def _places(
    deployment: "Deployment", specs: "list[EndpointSpec]", book: PlaceBook
) -> tuple[dict[str, ResourcePlace], list[str]]:
    from botocore.exceptions import BotoCoreError, ClientError

    places, faults = {}, []
    for spec in specs:
        try:
            places[spec.registry_id] = book.place_of(deployment.access_of(spec))
        except (ClientError, BotoCoreError, WatchkeeperError) as error:
            faults.append(f"{spec.registry_id} cannot be reached: {' '.join(str(error).split())}")
    return places, faults


def _shapes(deployment: "Deployment", specs: "list[EndpointSpec]") -> dict[str, EndpointShape | Exception | None]:
    from botocore.exceptions import BotoCoreError, ClientError

    from watchkeeper.aws.sagemaker_hook import EndpointHook

    # Opened one after the other: clients may be shared between threads, sessions may not.
    hooks = {spec.registry_id: deployment.access_of(spec).open(EndpointHook) for spec in specs}
    for hook in hooks.values():
        hook.client  # noqa: B018 - made here and now

    def look(spec: "EndpointSpec") -> EndpointShape | Exception | None:
        try:
            return endpoint_shape(spec, hooks[spec.registry_id])
        except (ClientError, BotoCoreError, WatchkeeperError) as error:
            return error

    with ThreadPoolExecutor(_READERS) as readers:
        return dict(zip((spec.registry_id for spec in specs), readers.map(look, specs), strict=True))


def _capture_change(spec: "EndpointSpec", differences: tuple[str, ...], place: ResourcePlace) -> ResourceChange:
    fields = tuple(FieldChange("DataCaptureConfig", difference, "as declared") for difference in differences)
    return ResourceChange("change", "data_capture", spec.endpoint_name, spec.registry_id, place, fields)


def _predicted_cost(deployment: "Deployment", specs: "list[EndpointSpec]") -> tuple[dict[str, str], tuple[str, ...]]:
    """Return what watching each endpoint costs a month, by its file as it is in force, and all together."""
    from watchkeeper.registry.cost_control import cost_basis

    try:
        basis = cost_basis(deployment.settings.include_folder(), deployment.settings.region_name)
        predicted = {spec.registry_id: basis.predict(spec).usd for spec in specs}
    except WatchkeeperError as error:
        return {}, (f"no cost is predicted: {' '.join(str(error).split())}",)
    told = {name: f"{usd:,.2f} USD a month" for name, usd in predicted.items()}
    return told | {"all together": f"{sum(predicted.values()):,.2f} USD a month"}, ()
