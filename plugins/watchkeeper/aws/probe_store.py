"""How often we asked live endpoints ourselves, by hour: what CloudWatch's ``Invocations`` counts beside the traffic.

::

    probes/{endpoint}/{variant}/yyyy/mm/dd/hh/{run}.json      requests of one run in that hour

A run writes down requests before it sends them, some ahead, and corrects the number when it ends. So a killed run has
counted at most ``AHEAD`` too many for an hour. The other way round its requests would pass for traffic that was not
captured, and a quiet hour for a capture gap: a false alarm is worse than a gap that is seen a hundred requests later.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import msgspec

from watchkeeper.aws.capture_store import hourly_objects
from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.errors import DocumentError
from watchkeeper.registry.capture_window import Window

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: How many requests are written down at once.
AHEAD = 100


class ProbeCount(msgspec.Struct, frozen=True):
    """The requests of one run in one hour."""

    request_count: int


_COUNTS = msgspec.json.Decoder(ProbeCount)


class ProbeStore:
    """Counts of our own requests below ``s3://bucket/prefix``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    def request_count(self, endpoint: str, variant: str, window: Window) -> int:
        """Return how many requests of ours the variant got in the window.

        Raises
        ------
        DocumentError
            when a count cannot be read.
        """
        found = hourly_objects(self.objects, f"probes/{endpoint}/{variant}/", window)
        return sum(self._read(item.key) for _, item in found)

    def read(self, endpoint: str, variant: str, hour: Window, run_digest: str) -> int:
        """Return how many requests one run has written down for an hour; 0 if none."""
        return self._read(_key(endpoint, variant, hour, run_digest))

    def write(self, endpoint: str, variant: str, hour: Window, run_digest: str, request_count: int) -> None:
        """Write down how many requests one run sends in an hour, in place of what it said before."""
        body = msgspec.json.encode(ProbeCount(request_count))
        self.objects.write(_key(endpoint, variant, hour, run_digest), body)

    def _read(self, key: str) -> int:
        stored = self.objects.read(key)
        if stored is None:
            return 0
        try:
            return _COUNTS.decode(stored.body).request_count
        except msgspec.DecodeError as error:
            raise DocumentError(self.objects.uri(key), "not a count of requests", "Delete the object.") from error


def _key(endpoint: str, variant: str, hour: Window, run_digest: str) -> str:
    return f"probes/{endpoint}/{variant}/{hour.start_path}/{run_digest}.json"


@dataclass
class ProbeMeter:
    """Writes down the requests of one run to one live variant: the ``before_request`` of its model.

    A run that is tried again counts on from what its earlier try wrote down. ``settle`` corrects the number at the
    end; as a context manager it does so itself.
    """

    store: ProbeStore
    endpoint: str
    variant: str
    run_digest: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ahead: int = AHEAD
    _hour: Window | None = field(default=None, init=False)
    _asked: int = field(default=0, init=False)
    _written: int = field(default=0, init=False)

    def __call__(self, request_count: int) -> None:
        """Take note of requests that are about to be sent."""
        hour = Window.hour_of(self.now())
        if hour != self._hour:
            self.settle()
            self._hour = hour
            self._asked = self._written = self.store.read(self.endpoint, self.variant, hour, self.run_digest)
        self._asked += request_count
        if self._asked > self._written:
            self._write(self._asked + self.ahead)

    def settle(self) -> None:
        """Write down the requests that were sent, and no more."""
        if self._asked != self._written:
            self._write(self._asked)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.settle()

    def _write(self, request_count: int) -> None:
        if self._hour is not None:
            self.store.write(self.endpoint, self.variant, self._hour, self.run_digest, request_count)
            self._written = request_count
