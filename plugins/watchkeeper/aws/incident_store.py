"""The records of all incidents, and which one is open at each endpoint: never two at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.aws.incident_record import IncidentRecord, IncidentState
from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.errors import DocumentError, StoreError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RECORD_NAME = "incident.json"
_OPEN_FOLDER = "actions/_fleet/remediate/open/"
_WRITE_ATTEMPTS = 6
_READERS = 8

# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_RECORDS = msgspec.json.Decoder(IncidentRecord)


class HeldElsewhereError(StoreError):
    """Another run works on the incident, or has ended it: this one has nothing to do."""


class IncidentStore:
    """The records of all incidents, below ``s3://bucket/prefix``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def folder(self, endpoint: str, incident_id: str = "") -> str:
        """Return the folder of an incident, or of all of an endpoint's."""
        root = f"actions/{endpoint}/remediate/"
        return f"{root}{incident_id}/" if incident_id else root

    def uri(self, endpoint: str, incident_id: str) -> str:
        """Return the address of an incident's record."""
        return self.objects.uri(self.folder(endpoint, incident_id) + RECORD_NAME)

    def open_ids(self) -> dict[str, str]:
        """Return the open incident of each endpoint that has one, by the endpoint's registry id."""
        # A pointer that points nowhere is empty: the listing tells without a read.
        keys = [item.key for item in self.objects.list(_OPEN_FOLDER) if item.size]
        found = {}
        for key in keys:
            stored = self.objects.read(key)
            if stored is not None and stored.body:
                found[key.removeprefix(_OPEN_FOLDER)] = stored.body.decode()
        return found

    def open_incident(self, record: IncidentRecord, *, by: str, why: str, now: datetime) -> IncidentRecord:
        """Open an incident and return it; return the one that is open at the endpoint already, if there is one.

        Of two runs that open one at once, both get the same.
        """
        first = record.moved(IncidentState.OPEN, by=by, why=why, now=now)
        key = _OPEN_FOLDER + record.endpoint
        for _ in range(_WRITE_ATTEMPTS):
            stored = self.objects.read(key)
            pointed = stored.body.decode() if stored is not None else ""
            if pointed:
                there = self.read(record.endpoint, pointed)
                if there is not None and not there.has_ended:
                    return there
                if there is None:
                    # Who pointed to it is about to write the record, or died before: whoever comes first writes it.
                    return self._first(msgspec.structs.replace(first, incident_id=pointed))
            body = record.incident_id.encode()
            condition: dict[str, Any] = {"only_if_absent": True} if stored is None else {"only_if_etag": stored.etag}
            if self.objects.write(key, body, content_type="text/plain", **condition):
                return self._first(first)
        raise self._contended(key)

    def record_ended(self, record: IncidentRecord, *, by: str, why: str, now: datetime) -> IncidentRecord:
        """Record an incident that is over already, and return it; it was never open. A repetition changes nothing."""
        opened = record.moved(IncidentState.OPEN, by=by, why="an alarm went off", now=now)
        return self._first(opened.moved(IncidentState.CLOSED, by=by, why=why, now=now))

    def update(
        self, endpoint: str, incident_id: str, change: Callable[[IncidentRecord], IncidentRecord]
    ) -> IncidentRecord:
        """Change a record and return it; ``change`` gets what stands there, again when another run was quicker.

        It may raise HeldElsewhereError. StoreError when there is no such incident. An incident that ends is open no
        longer.
        """
        key = self.folder(endpoint, incident_id) + RECORD_NAME
        for _ in range(_WRITE_ATTEMPTS):
            stored = self.objects.read(key)
            if stored is None:
                raise StoreError(self.objects.uri(key), "no such incident", "An alarm opens one.")
            record = self._parse(key, stored.body)
            changed = change(record)
            if changed == record or self.objects.write(key, _pretty(changed), only_if_etag=stored.etag):
                if changed.has_ended:
                    self._close(endpoint, incident_id)
                return changed
        raise self._contended(key)

    def advance(
        self, endpoint: str, incident_id: str, state: IncidentState, *, by: str, why: str, now: datetime, **fields: Any
    ) -> IncidentRecord:
        """Bring an incident into a state, with further ``fields`` of its record.

        HeldElsewhereError when it has ended, or another run than ``by`` works on it.
        """

        def change(record: IncidentRecord) -> IncidentRecord:
            require_ours(record, by, self.uri(endpoint, incident_id))
            return record.moved(state, by=by, why=why, now=now, **fields)

        return self.update(endpoint, incident_id, change)

    def change_step(self, endpoint: str, incident_id: str, *, by: str, **fields: Any) -> IncidentRecord:
        """Change the newest step of an incident that the run ``by`` works on."""

        def change(record: IncidentRecord) -> IncidentRecord:
            require_ours(record, by, self.uri(endpoint, incident_id))
            return msgspec.structs.replace(record, steps=record.with_step(**fields))

        return self.update(endpoint, incident_id, change)

    def read(self, endpoint: str, incident_id: str) -> IncidentRecord | None:
        """Return an incident, or ``None`` if there is none of this id."""
        key = self.folder(endpoint, incident_id) + RECORD_NAME
        stored = self.objects.read(key)
        return None if stored is None else self._parse(key, stored.body)

    def require(self, endpoint: str, incident_id: str) -> IncidentRecord:
        """Return an incident; StoreError if there is none of this id."""
        record = self.read(endpoint, incident_id)
        if record is None:
            raise StoreError(self.uri(endpoint, incident_id), "no such incident", "An alarm opens one.")
        return record

    def incidents(self, endpoint: str, since: datetime | None = None) -> tuple[IncidentRecord, ...]:
        """Return an endpoint's incidents whose first alarm went off after ``since``, the newest first."""
        root = self.folder(endpoint)
        # Ids begin with the time of the first alarm, so that they sort by it.
        after = "" if since is None else f"{root}{since:%Y%m%dT%H%M%SZ}"
        keys = [item.key for item in self.objects.list(root, after=after) if item.key.endswith(f"/{RECORD_NAME}")]
        with ThreadPoolExecutor(_READERS) as pool:
            found = [record for record in pool.map(self._decoded, keys) if record is not None]
        return tuple(sorted(found, key=lambda record: record.incident_id, reverse=True))

    def endpoints(self) -> Iterator[str]:
        """Yield the registry ids of all endpoints that ever had an incident."""
        last = ""
        for item in self.objects.list("actions/"):
            parts = item.key.split("/")
            if parts[-1] == RECORD_NAME and parts[1] != last:
                last = parts[1]
                yield last

    def _first(self, record: IncidentRecord) -> IncidentRecord:
        key = self.folder(record.endpoint, record.incident_id) + RECORD_NAME
        if self.objects.write(key, _pretty(record), only_if_absent=True):
            return record
        there = self.read(record.endpoint, record.incident_id)
        return record if there is None else there

    def _close(self, endpoint: str, incident_id: str) -> None:
        """Let the endpoint's pointer point nowhere, if it points to this incident still."""
        key = _OPEN_FOLDER + endpoint
        stored = self.objects.read(key)
        if stored is not None and stored.body.decode() == incident_id:
            # Another incident that was opened in between keeps its pointer: the entity tag is another then.
            self.objects.write(key, b"", only_if_etag=stored.etag, content_type="text/plain")

    def _decoded(self, key: str) -> IncidentRecord | None:
        stored = self.objects.read(key)
        return None if stored is None else self._parse(key, stored.body)

    def _parse(self, key: str, body: bytes) -> IncidentRecord:
        try:
            return _RECORDS.decode(body)
        except msgspec.DecodeError as error:
            raise DocumentError(
                self.objects.uri(key),
                f"not an incident's record ({error})",
                "Restore an earlier version of the object.",
            ) from error

    def _contended(self, key: str) -> StoreError:
        return StoreError(
            self.objects.uri(key),
            f"other runs changed it {_WRITE_ATTEMPTS} times while this one tried",
            "Run this one again.",
        )


def require_ours(record: IncidentRecord, by: str, subject: str) -> None:
    """Raise HeldElsewhereError if an incident has ended, or another run than ``by`` works on it."""
    if record.has_ended:
        raise HeldElsewhereError(subject, f"the incident is {record.state} already", "Nothing is left to be done.")
    if record.is_held and record.held_by != by:
        raise HeldElsewhereError(subject, f"the run {record.held_by} works on it", "It is left to that run.")


def _pretty(record: IncidentRecord) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2)
