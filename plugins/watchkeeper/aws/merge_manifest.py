"""What a merged hour says of itself (``merge.json``), and what an endpoint's labels come to (``summary.json``)."""

from collections.abc import Iterable
from hashlib import sha256

import msgspec

from watchkeeper.errors import DocumentError


class LabelSource(msgspec.Struct, frozen=True):
    """A label object that an hour was merged from."""

    key: str
    etag: str


class MergedPart(msgspec.Struct, frozen=True):
    """One file of merged records: its name beside the manifest, and its size in bytes."""

    name: str
    size: int


class MergeManifest(msgspec.Struct, frozen=True, kw_only=True):
    """One captured hour with its labels: which files hold the merged records, and what they were made from.

    ``coverage`` is ``None`` when nothing was captured that could be read. ``duplicate_label_count`` and
    ``conflicting_label_count`` are of ids that this hour has captures for; ``malformed_label_count`` is of the label
    objects that it was merged from.
    """

    endpoint: str
    endpoint_name: str
    variant: str
    hour: str
    digest: str
    capture_digest: str
    capture_object_count: int
    label_objects: tuple[LabelSource, ...]
    captured_count: int
    matched_count: int
    unmatched_count: int
    malformed_capture_count: int
    duplicate_label_count: int
    conflicting_label_count: int
    malformed_label_count: int
    malformed_label_samples: tuple[str, ...] = ()
    coverage: float | None = None
    merge_rules: int
    code_version: str
    run_id: str
    merged_at: str
    revision: int = 0
    parts: tuple[MergedPart, ...] = ()


class LabelHourSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The labels of one collection hour; ``unmatched_count`` is of ids that no captured line of the horizon has."""

    digest: str
    label_count: int
    id_count: int
    unmatched_count: int
    malformed_count: int


class MergeSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint's labels and captures within its horizon, as its last merge that changed anything left them.

    ``label_hours`` are by collection hour. ``changed_hours`` are the captured hours that this merge wrote, each
    as ``{variant}/{window}``.
    """

    endpoint: str
    horizon_days: int
    label_hours: dict[str, LabelHourSummary]
    captured_count: int
    matched_count: int
    unmatched_capture_count: int
    label_count: int
    unmatched_label_count: int
    malformed_label_count: int
    changed_hours: tuple[str, ...]
    run_id: str
    merged_at: str


# Made once, at import: two threads that work a type out at the same time can hang.
_MANIFESTS = msgspec.json.Decoder(MergeManifest)
_SUMMARIES = msgspec.json.Decoder(MergeSummary)


def merge_digest(capture_digest: str, label_objects: Iterable[LabelSource], merge_rules: int) -> str:
    """Return the digest of all that a merged hour is a function of (32 hex digits).

    The rules' own version stands for the code's: a release that joins as the one before rewrites nothing.
    """
    lines = [capture_digest, str(merge_rules), *(f"{source.key}\0{source.etag}" for source in label_objects)]
    return sha256("\n".join(lines).encode()).hexdigest()[:32]


def encode_document(document: MergeManifest | MergeSummary) -> bytes:
    """Return a manifest or a summary as JSON."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def decode_manifest(body: bytes, source: str) -> MergeManifest:
    """Return the manifest in ``body``; DocumentError if it cannot be read."""
    try:
        return _MANIFESTS.decode(body)
    except msgspec.DecodeError as error:
        raise DocumentError(
            source, f"not a merge manifest ({error})", "Delete the object; the next run of ground_truth makes it anew."
        ) from error


def decode_summary(body: bytes, source: str) -> MergeSummary:
    """Return the summary in ``body``; DocumentError if it cannot be read."""
    try:
        return _SUMMARIES.decode(body)
    except msgspec.DecodeError as error:
        raise DocumentError(
            source, f"not a merge summary ({error})", "Delete the object; the next run of ground_truth makes it anew."
        ) from error
