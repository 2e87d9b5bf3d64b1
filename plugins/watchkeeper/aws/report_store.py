"""Reports and states in S3: documents first, then what points to them; the same digest is written once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.aws.window_result import WindowResult, decode_result, encode_result, with_fields
from watchkeeper.errors import StoreError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from watchkeeper.registry.capture_window import Period, Window

RESULT_NAME = "result.json"
#: Model Monitor's and Clarify's names; that of violations is there only when something is violated.
DOCUMENT_NAMES = ("statistics.json", "constraints.json", "analysis.json", "constraint_violations.json", "report.html")
_WRITE_ATTEMPTS = 5


@dataclass(frozen=True)
class StateFacts:
    """What an hour's state was made from, kept as the object's metadata: cheap to ask, written with it."""

    capture_digest: str
    code_version: str
    schema_digest: str
    row_count: int
    captured_count: int
    malformed_count: int
    line_count: int

    def as_metadata(self) -> dict[str, str]:
        """Return the facts as S3 user metadata."""
        return {name.replace("_", "-"): str(value) for name, value in vars(self).items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> "StateFacts | None":
        """Return the facts, or ``None`` where an object carries none (or other ones)."""
        try:
            return cls(
                capture_digest=metadata["capture-digest"],
                code_version=metadata["code-version"],
                schema_digest=metadata["schema-digest"],
                row_count=int(metadata["row-count"]),
                captured_count=int(metadata["captured-count"]),
                malformed_count=int(metadata["malformed-count"]),
                line_count=int(metadata["line-count"]),
            )
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True)
class NewestResult:
    """A window's newest result and its entity tag; both ``None`` where it was never analysed."""

    result: WindowResult | None
    etag: str | None


class ReportStore:
    """Window results, their documents, and hourly states, below ``s3://bucket/prefix``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.objects = ObjectStore(bucket, prefix, client)

    @staticmethod
    def schedule(endpoint: str, monitor: str, period: "Period | str") -> str:
        """Return the schedule's name, as it stands in keys and in Model Monitor's metric dimension."""
        return f"{endpoint}-{monitor}-{period}"

    def report_folder(self, endpoint: str, variant: str, monitor: str, period: str, window: "Window") -> str:
        """Return the folder of a window's newest documents; it lies at the window's end hour."""
        return f"reports/{endpoint}/{variant}/{self.schedule(endpoint, monitor, period)}/{window.end_path}/"

    def report_uri(self, endpoint: str, variant: str, monitor: str, period: str, window: "Window") -> str:
        """Return the ``s3://`` address of that folder."""
        return self.objects.uri(self.report_folder(endpoint, variant, monitor, period, window))

    def read_result(
        self, endpoint: str, variant: str, monitor: str, period: str, window: "Window"
    ) -> WindowResult | None:
        """Return the window's newest result, or ``None`` if it was never analysed."""
        return self.read_newest(self.report_folder(endpoint, variant, monitor, period, window)).result

    def read_newest(self, folder: str) -> NewestResult:
        """Return what a report folder says now, with the entity tag that a later write is conditional on."""
        stored = self.objects.read(folder + RESULT_NAME)
        if stored is None:
            return NewestResult(None, None)
        return NewestResult(decode_result(stored.body, self.objects.uri(folder + RESULT_NAME)), stored.etag)

    def read_document(
        self, endpoint: str, variant: str, monitor: str, period: str, window: "Window", name: str
    ) -> bytes | None:
        """Return one of the window's newest documents, or ``None``."""
        stored = self.objects.read(self.report_folder(endpoint, variant, monitor, period, window) + name)
        return None if stored is None else stored.body

    def write_result(
        self,
        result: WindowResult,
        documents: Mapping[str, bytes],
        window: "Window",
        known: NewestResult | None = None,
    ) -> WindowResult:
        """Write a result with its documents as a new revision and return it as it is stored.

        A result with the digest of the newest one writes nothing, and one that could not be judged does not
        replace a judged one: the newest result is returned instead. Documents are written before the result
        that names them, the revision's own copies before the newest ones, so a killed run leaves no half truth.
        ``known`` is what the caller has just read there: it saves a read, and is no risk, for the write is
        conditional on it.
        """
        folder = self.report_folder(result.endpoint, result.variant, result.monitor, result.period, window)
        for attempt in range(_WRITE_ATTEMPTS):
            there = known if known is not None and attempt == 0 else self.read_newest(folder)
            newest, etag = there.result, there.etag
            if newest is not None and (newest.digest == result.digest or (newest.is_judged and not result.is_judged)):
                return newest
            revised = self._write_revision(folder, result, documents, 1 if newest is None else newest.revision + 1)
            self._refresh_newest(folder, documents, restated=newest is not None)
            if self.objects.write(
                folder + RESULT_NAME, encode_result(revised), only_if_absent=etag is None, only_if_etag=etag
            ):
                return revised
        raise StoreError(
            self.objects.uri(folder),
            f"another run moved {RESULT_NAME} {_WRITE_ATTEMPTS} times while this one wrote",
            "See which other runs analyse this window; run the task again when they are through.",
        )

    def _write_revision(
        self, folder: str, result: WindowResult, documents: Mapping[str, bytes], revision: int
    ) -> WindowResult:
        """Write ``rev={n}/``, taking the next number when another run has written other content there."""
        while True:
            own = f"{folder}rev={revision}/"
            revised = with_fields(result, revision=revision)
            if all(self._write_once(own + name, body) for name, body in documents.items()):
                if self.objects.write(own + RESULT_NAME, encode_result(revised), only_if_absent=True):
                    return revised
                # A killed run of ours may have come this far: its result is as good, if it is the same verdict.
                there = self.objects.read(own + RESULT_NAME)
                if there is not None:
                    earlier = decode_result(there.body, self.objects.uri(own + RESULT_NAME))
                    if earlier.digest == result.digest:
                        return earlier
            revision += 1

    def _write_once(self, key: str, body: bytes) -> bool:
        """Write if absent; ``True`` also when the very same bytes are there already."""
        if self.objects.write(key, body, only_if_absent=True, content_type=_content_type(key)):
            return True
        there = self.objects.read(key)
        return there is not None and there.body == body

    def _refresh_newest(self, folder: str, documents: Mapping[str, bytes], *, restated: bool) -> None:
        for name, body in documents.items():
            self.objects.write(folder + name, body, content_type=_content_type(name))
        for name in DOCUMENT_NAMES if restated else ():
            # A restated window may have no violations any more: the old document must not go on saying so.
            if name not in documents:
                self.objects.delete(folder + name)

    # ---- hourly states

    def state_key(self, endpoint: str, variant: str, monitor: str, hour: "Window") -> str:
        """Return the key of an hour's state."""
        return f"states/{endpoint}/{variant}/{monitor}/{hour.start_path}.state"

    def read_state(self, endpoint: str, variant: str, monitor: str, hour: "Window") -> tuple[bytes, StateFacts] | None:
        """Return an hour's encoded state with what it was made from, or ``None``."""
        stored = self.objects.read(self.state_key(endpoint, variant, monitor, hour))
        facts = None if stored is None else StateFacts.from_metadata(stored.metadata)
        return None if stored is None or facts is None else (stored.body, facts)

    def write_state(
        self, endpoint: str, variant: str, monitor: str, hour: "Window", state: bytes, facts: StateFacts
    ) -> None:
        """Write an hour's encoded state. Last writer wins: it is a function of the captures that ``facts`` name."""
        self.objects.write(
            self.state_key(endpoint, variant, monitor, hour),
            state,
            content_type="application/octet-stream",
            metadata=facts.as_metadata(),
        )


def _content_type(name: str) -> str:
    return "text/html; charset=utf-8" if name.endswith(".html") else "application/json"
