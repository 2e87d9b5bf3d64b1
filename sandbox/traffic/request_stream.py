"""The requests that an endpoint's callers sent, from the data set, with the scene's incidents done to them."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from sandbox.linear_model import Kind
from sandbox.model_container import CSV, JSON, JSON_LINES
from sandbox.traffic import flight_table, house_table, mortgage_table, order_table
from sandbox.traffic.scene import CaptureLost, ColumnMissing, Garbled, Scene

_EVENTS = uuid.UUID("6f1d8a52-5a50-4d7a-9d0e-0f3a5f1f2c11")


@dataclass(frozen=True)
class DataSet:
    """Where an endpoint's rows come from and how its callers send them."""

    table: Callable[[], pl.DataFrame]
    inputs: tuple[str, ...]
    numbers: tuple[str, ...]
    """The inputs that are numbers; the others are categories."""
    target: str
    output: str
    kind: Kind
    order: str | None
    """Column that groups rows into one request; without it each row is a request."""
    inference_ids: bool
    """Whether callers send an InferenceId."""

    def between(self, start: datetime, end: datetime) -> pl.DataFrame:
        """Return the rows of ``[start, end)`` in the data's own time."""
        return self.table().filter(pl.col("at").is_between(start, end, closed="left"))


DATA_SETS = {
    "flights-delay": DataSet(
        flight_table.flights,
        flight_table.INPUTS,
        flight_table.INPUTS[2:],
        flight_table.TARGET,
        flight_table.OUTPUT,
        "probability",
        None,
        inference_ids=True,
    ),
    "order-quantity": DataSet(
        order_table.order_lines,
        order_table.INPUTS,
        order_table.INPUTS[:4],
        order_table.TARGET,
        order_table.OUTPUT,
        "quantity",
        "order",
        inference_ids=False,
    ),
    "house-price": DataSet(
        house_table.houses,
        house_table.INPUTS,
        house_table.INPUTS[1:],
        house_table.TARGET,
        house_table.OUTPUT,
        "quantity",
        None,
        inference_ids=True,
    ),
    "mortgage-approval": DataSet(
        mortgage_table.applications,
        mortgage_table.INPUTS,
        mortgage_table.INPUTS[2:],
        mortgage_table.TARGET,
        mortgage_table.OUTPUT,
        "probability",
        None,
        inference_ids=True,
    ),
}


@dataclass(frozen=True)
class Request:
    """One call as its caller made it, at its own time in the data."""

    at: datetime
    content_type: str
    body: bytes
    rows: int
    event_id: str
    inference_id: str | None
    """None where the callers of an endpoint send none: its ground truth goes by ``event_id``."""
    capture_lost: bool
    truth: tuple[float | None, ...]
    known_at: datetime | None


def requests_of(scene: Scene) -> Iterator[Request]:
    """Yield the scene's requests in time order. The same scene gives the same bytes, ids and times."""
    data = DATA_SETS[scene.endpoint]
    rows = data.between(scene.starts, scene.ends)
    minute, place = scene.starts, 0
    for number, (at, group) in enumerate(_grouped(rows, data)):
        records = group.select(data.inputs).to_dicts()
        minute, place = at, (place + 1 if at == minute else 0)
        hour = (at - scene.starts) // timedelta(hours=1)
        sent = records
        for incident in scene.incidents:
            if hour in incident.hours:
                sent = _disturbed(sent, incident, number)
        lost = any(
            isinstance(incident, CaptureLost) and hour in incident.hours and number % incident.kept_of
            for incident in scene.incidents
        )
        content_type, body = _payload(sent, data)
        yield Request(
            # The data has minutes; the calls of one follow each other by a second.
            at=at + timedelta(seconds=min(place, 59), milliseconds=number * 37 % 1000),
            content_type=content_type,
            body=body,
            rows=len(records),
            event_id=str(uuid.uuid5(_EVENTS, f"{scene.endpoint}/{number}")),
            inference_id=f"{scene.endpoint}-{number}" if data.inference_ids else None,
            capture_lost=lost,
            truth=tuple(group[data.target].to_list()),
            known_at=group["known_at"][0],
        )


def _grouped(rows: pl.DataFrame, data: DataSet) -> Iterator[tuple[datetime, pl.DataFrame]]:
    groups = rows.iter_slices(1) if data.order is None else rows.partition_by("at", data.order, maintain_order=True)
    for group in groups:
        yield group["at"][0], group


def _disturbed(
    records: list[dict[str, Any]], incident: Garbled | ColumnMissing | CaptureLost, number: int
) -> list[dict[str, Any]]:
    if isinstance(incident, ColumnMissing):
        return [{name: value for name, value in record.items() if name != incident.column} for record in records]
    if isinstance(incident, Garbled) and number % incident.every == 0:
        changes = {name: (lambda value, unit=unit: f"{value}{unit}") for name, unit in incident.suffixed.items()}
        changes |= dict.fromkeys(incident.blank, lambda _value: None)
        return [
            {name: changes[name](value) if name in changes else value for name, value in record.items()}
            for record in records
        ]
    return records


def _payload(records: list[dict[str, Any]], data: DataSet) -> tuple[str, bytes]:
    if data.order is None:
        text = "\n".join(",".join(_field(value) for value in record.values()) for record in records)
        return CSV, text.encode()
    lines = [json.dumps(record) for record in records]
    return (JSON if len(lines) == 1 else JSON_LINES), "\n".join(lines).encode()


def _field(value: object) -> str:
    return "" if value is None else str(value)
