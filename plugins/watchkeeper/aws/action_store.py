"""The audit record of each retraining attempt: why, who allowed it, what ran, what it was decided on, how it ended."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.errors import DocumentError, StoreError
from watchkeeper.registry.capture_window import moment_text, parse_moment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from watchkeeper.registry.retraining_policy import PastAttempt
    from watchkeeper.registry.roll_back_policy import Promotion

RECORD_NAME = "attempt.json"
EVIDENCE_NAME = "evidence.json"
_WRITE_ATTEMPTS = 5


class AttemptState(StrEnum):
    """Where an attempt stands."""

    DECIDED = "decided"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    TRAINING = "training"
    TRAINED = "trained"
    COMPARED = "compared"
    PROMOTED = "promoted"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


ENDED = frozenset({AttemptState.PROMOTED, AttemptState.REJECTED, AttemptState.ROLLED_BACK, AttemptState.FAILED})
_CHANGES_OF_MODEL = frozenset({AttemptState.PROMOTED, AttemptState.ROLLED_BACK})
#: What may follow an end: a promotion can be taken back, and a failed attempt be taken up again.
_AFTER_AN_END = {
    AttemptState.PROMOTED: frozenset({AttemptState.ROLLED_BACK}),
    AttemptState.REJECTED: frozenset[AttemptState](),
    AttemptState.ROLLED_BACK: frozenset({AttemptState.PROMOTED}),
    AttemptState.FAILED: frozenset(AttemptState),
}


class AttemptEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an attempt: when it came into a state, who or which run brought it there, and why."""

    state: str
    at: str
    by: str
    why: str


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """``attempt.json``: where the attempt stands, and everything that happened to it, oldest first.

    ``definition_uri`` is the pipeline's definition that Watchkeeper put in force for it.
    ``previous_config`` and ``new_config`` are the endpoint's configurations before and after the promotion;
    ``kept_at`` is when a person who was asked to take it back declined.
    """

    attempt_id: str
    endpoint: str
    state: str
    decided_at: str
    by_hand: bool = False
    dry_run: bool = False
    training_start: str = ""
    training_end: str = ""
    evaluation_start: str = ""
    evaluation_end: str = ""
    execution_arn: str | None = None
    definition_uri: str | None = None
    model_package_arn: str | None = None
    evidence_uri: str | None = None
    decision: str | None = None
    variant: str | None = None
    previous_config: str | None = None
    new_config: str | None = None
    kept_at: str | None = None
    history: tuple[AttemptEvent, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ENDED

    @property
    def model_changed_at(self) -> str | None:
        """When the attempt last changed the model in service; what is noted later in the same state changes nothing."""
        before = ("", *(event.state for event in self.history))
        changes = [
            event.at
            for event, state in zip(self.history, before, strict=False)
            if event.state in _CHANGES_OF_MODEL and event.state != state
        ]
        return changes[-1] if changes else None

    def as_past(self) -> "PastAttempt":
        """Return what the policy looks at."""
        from watchkeeper.registry.retraining_policy import PastAttempt

        changed = self.model_changed_at
        return PastAttempt(
            attempt_id=self.attempt_id,
            decided_at=parse_moment(self.decided_at),
            started=self.execution_arn is not None,
            ended=self.has_ended,
            model_changed_at=parse_moment(changed) if changed else None,
            dry_run=self.dry_run,
        )


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_RECORDS = msgspec.json.Decoder(AttemptRecord)


class ActionStore:
    """The records of all attempts, below ``s3://bucket/prefix``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def folder(self, endpoint: str, attempt_id: str = "") -> str:
        """Return the folder of an attempt, or of all of an endpoint's."""
        return f"actions/{endpoint}/retrain/{attempt_id}/" if attempt_id else f"actions/{endpoint}/retrain/"

    def uri(self, endpoint: str, attempt_id: str, name: str = "") -> str:
        """Return the address of an attempt's folder, or of what lies in it under ``name``."""
        return self.objects.uri(self.folder(endpoint, attempt_id) + name)

    def open_attempt(self, record: AttemptRecord, *, by: str, why: str, now: datetime) -> AttemptRecord:
        """Record a new attempt and return it; return the one there is if it was recorded already.

        A dry run's record gives way to the attempt itself.
        """
        first = self._with_event(record, AttemptState(record.state), by=by, why=why, now=now)
        key = self._key(record.endpoint, record.attempt_id)
        for _ in range(_WRITE_ATTEMPTS):
            if self.objects.write(key, _pretty(first), only_if_absent=True):
                return first
            stored = self._stored(record.endpoint, record.attempt_id)
            if stored is None:
                continue
            there, etag = stored
            if not there.dry_run or record.dry_run:
                return there
            kept = msgspec.structs.replace(first, history=(*there.history, *first.history))
            if self.objects.write(key, _pretty(kept), only_if_etag=etag):
                return kept
        raise self._contended(key)

    def advance(
        self, endpoint: str, attempt_id: str, state: AttemptState, *, by: str, why: str, now: datetime, **fields: Any
    ) -> AttemptRecord:
        """Bring an attempt into a state, with further ``fields`` of its record; a repeated step changes nothing.

        StoreError when there is no such attempt, or when it has come to an end that this state cannot follow: a run
        that was late must not reopen what another one has closed.
        """
        key = self._key(endpoint, attempt_id)
        for _ in range(_WRITE_ATTEMPTS):
            stored = self._stored(endpoint, attempt_id)
            if stored is None:
                raise StoreError(self.objects.uri(key), "no such attempt", "Begin with the decision to retrain.")
            record, etag = stored
            changed = msgspec.structs.replace(record, **fields)
            if record.state == state and changed == record:
                return record
            if record.state in ENDED and state not in {record.state, *_AFTER_AN_END[AttemptState(record.state)]}:
                raise StoreError(
                    self.objects.uri(key),
                    f"the attempt is {record.state} already and cannot become {state.value}",
                    "Another run has ended it; start a new attempt by hand if it is still wanted.",
                )
            moved = self._with_event(changed, state, by=by, why=why, now=now)
            if self.objects.write(key, _pretty(moved), only_if_etag=etag):
                return moved
        raise self._contended(key)

    def read(self, endpoint: str, attempt_id: str) -> AttemptRecord | None:
        """Return an attempt, or ``None`` if there is none of this id."""
        stored = self._stored(endpoint, attempt_id)
        return None if stored is None else stored[0]

    def write_evidence(self, endpoint: str, attempt_id: str, document: bytes) -> str:
        """Write what the comparison was decided on, and return its address."""
        self.objects.write(self.folder(endpoint, attempt_id) + EVIDENCE_NAME, document)
        return self.uri(endpoint, attempt_id, EVIDENCE_NAME)

    def write_definition(self, name: str, definition: str) -> str:
        """Keep a pipeline's definition under its digest, whoever keeps it again, and return its address."""
        body = definition.encode()
        key = f"pipelines/{name.removesuffix('.json')}/{sha256(body).hexdigest()[:16]}.json"
        self.objects.write(key, body, only_if_absent=True)
        return self.objects.uri(key)

    def attempts(self, endpoint: str) -> tuple[AttemptRecord, ...]:
        """Return all attempts of an endpoint, the newest decision first."""
        found = [record for key in self._keys(endpoint) if (record := self._decoded(key)) is not None]
        return tuple(sorted(found, key=lambda item: (item.decided_at, item.attempt_id), reverse=True))

    def past_attempts(self, endpoint: str) -> "tuple[PastAttempt, ...]":
        """Return all attempts of an endpoint as the policy looks at them."""
        return tuple(record.as_past() for record in self.attempts(endpoint))

    def last_promotion(self, endpoint: str) -> AttemptRecord | None:
        """Return the newest attempt whose model is in service, as far as the records know."""
        return _last_promotion(self.attempts(endpoint))

    def promotion(self, endpoint: str) -> "Promotion | None":
        """Return the newest promotion as the policy of rolling back looks at it."""
        from watchkeeper.registry.roll_back_policy import Promotion

        attempts = self.attempts(endpoint)
        record = _last_promotion(attempts)
        if record is None or record.model_changed_at is None:
            return None
        changes = [parse_moment(attempt.model_changed_at) for attempt in attempts if attempt.model_changed_at]
        return Promotion(
            attempt_id=record.attempt_id,
            promoted_at=parse_moment(record.model_changed_at),
            serving_since=max(changes),
            kept=record.kept_at is not None,
        )

    def _keys(self, endpoint: str) -> Iterator[str]:
        for item in self.objects.list(self.folder(endpoint)):
            if item.key.endswith(f"/{RECORD_NAME}"):
                yield item.key

    def _key(self, endpoint: str, attempt_id: str) -> str:
        return self.folder(endpoint, attempt_id) + RECORD_NAME

    def _stored(self, endpoint: str, attempt_id: str) -> tuple[AttemptRecord, str] | None:
        key = self._key(endpoint, attempt_id)
        stored = self.objects.read(key)
        return None if stored is None else (self._parse(key, stored.body), stored.etag)

    def _decoded(self, key: str) -> AttemptRecord | None:
        stored = self.objects.read(key)
        return None if stored is None else self._parse(key, stored.body)

    def _parse(self, key: str, body: bytes) -> AttemptRecord:
        try:
            return _RECORDS.decode(body)
        except msgspec.DecodeError as error:
            raise DocumentError(
                self.objects.uri(key), f"not an attempt's record ({error})", "Restore an earlier version of the object."
            ) from error

    @staticmethod
    def _with_event(record: AttemptRecord, state: AttemptState, *, by: str, why: str, now: datetime) -> AttemptRecord:
        event = AttemptEvent(state=state.value, at=moment_text(now), by=by, why=why)
        return msgspec.structs.replace(record, state=state.value, history=(*record.history, event))

    def _contended(self, key: str) -> StoreError:
        return StoreError(
            self.objects.uri(key),
            f"another run changed it {_WRITE_ATTEMPTS} times while this one tried",
            "Let one run work on an attempt at a time, then run this one again.",
        )


def _last_promotion(attempts: Iterable[AttemptRecord]) -> AttemptRecord | None:
    promoted = [record for record in attempts if record.state == AttemptState.PROMOTED]
    return max(promoted, key=lambda record: record.model_changed_at or "", default=None)


def _pretty(record: AttemptRecord) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2)
