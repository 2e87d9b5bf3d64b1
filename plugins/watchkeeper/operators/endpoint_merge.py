"""Merges one endpoint's captures with its labels: find what changed, join, write hours and summary."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from watchkeeper.analysis.ground_truth_join import MERGE_RULES, HourCaptures, HourCounts, join_labels
from watchkeeper.analysis.merged_parts import MergedParts
from watchkeeper.aws.capture_store import CaptureObject, CaptureStore, capture_digest
from watchkeeper.aws.ground_truth_store import GroundTruthStore
from watchkeeper.aws.merge_manifest import LabelSource, MergeManifest, MergeSummary, merge_digest
from watchkeeper.aws.merged_store import MergedFolder
from watchkeeper.errors import CaptureError, StoreError
from watchkeeper.operators.label_search import HourWork, LabelSearch
from watchkeeper.operators.window_judgement import code_version
from watchkeeper.registry.capture_window import HOUR, Window, hour_floor, moment_text

if TYPE_CHECKING:
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.ground_truth_spec import GroundTruthSpec

#: Hours are joined together up to so many bytes of captures, so that a label object is read for many at once.
BATCH_BYTES = 1 << 30
_ATTEMPTS = 5
_SAMPLES = 20


@dataclass
class EndpointMerge:
    """Merges one endpoint. ``tell`` and ``warn`` take sentences for the task's log, no captured value."""

    deployment: "Deployment"
    spec: "EndpointSpec"
    ground_truth: "GroundTruthSpec"
    horizon_days: int
    run_id: str
    tell: Callable[[str], None]
    warn: Callable[[str], None]
    _label_places: dict[LabelSource, Window] = field(default_factory=dict)
    _label_files: dict[LabelSource, CaptureObject] = field(default_factory=dict)

    @cached_property
    def _captures(self) -> CaptureStore:
        return CaptureStore(self.spec.capture.s3_uri, self.deployment.access_of(self.spec).client("s3"))

    @cached_property
    def _labels(self) -> GroundTruthStore:
        return GroundTruthStore(self.ground_truth.s3_uri, self.deployment.access_of(self.spec).client("s3"))

    @property
    def _horizon(self) -> timedelta:
        return timedelta(days=self.horizon_days)

    def merge(self, now: datetime) -> tuple[str, ...]:
        """Merge every complete hour of the horizon whose captures or labels changed; return the hours written.

        Runs until nobody else wrote in between: what another run did meanwhile is looked at again.
        """
        written: set[str] = set()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if self._merge_once(now, written):
                    return tuple(sorted(written))
            except CaptureError as error:
                if attempt == _ATTEMPTS:
                    raise
                self.tell(f"{error} It is tried again at once.")
        raise StoreError(
            self.deployment.merged.objects.uri(f"merged/{self.spec.registry_id}/"),
            f"another run moved merged hours {_ATTEMPTS} times while this one wrote",
            "See which other runs merge this endpoint's labels; run the task again when they are through.",
        )

    def _merge_once(self, now: datetime, written: set[str]) -> bool:
        """Look at everything once; return whether nobody else wrote meanwhile."""
        end = hour_floor(now - timedelta(minutes=self.spec.grace_minutes))
        span = Window(end - self._horizon, end)
        # The order matters: first what is there to be superseded, then the inputs, which can only be newer.
        summary, summary_etag = self.deployment.merged.read_summary(self.spec.registry_id)
        works = list(self._works(span))
        listing = self._labels.list_hours(Window(span.start, hour_floor(now) + HOUR))
        if listing.strays:
            self.warn(f"{len(listing.strays)} objects among the labels are not *.jsonl and not read")
        self._remember(listing.hours)
        search = LabelSearch(
            self.spec.registry_id,
            self._horizon,
            self._captures,
            self._labels,
            self.deployment.key_indexes,
            listing.hours,
            # With another horizon, other pairs of hours belong together: all labels are looked at again.
            summary.label_hours if summary is not None and summary.horizon_days == self.horizon_days else {},
        )
        search.search(works)
        due = []
        for work in works:
            labels = work.labels(self._label_places)
            if work.manifest is None or work.manifest.digest != merge_digest(work.digest, labels, MERGE_RULES):
                due.append((work, labels))
        manifests = {work.name: work.manifest for work in works if work.manifest is not None}
        undisturbed = True
        for batch in _batches(due):
            for name, manifest in self._write_batch(batch, search).items():
                if manifest is None:
                    undisturbed = False
                else:
                    manifests[name] = manifest
                    written.add(name)
        if undisturbed:
            self._conclude(search, manifests, summary, summary_etag)
        return undisturbed

    def _works(self, span: Window) -> Iterator[HourWork]:
        merged = self.deployment.merged
        for variant in self.spec.variants:
            folders = merged.list_hours(self.spec.registry_id, variant, span)
            manifests = merged.read_manifests(
                self.spec.registry_id, variant, [hour for hour, folder in folders.items() if folder.manifest_etag]
            )
            captured = self._captures.list_hours(self.spec.endpoint_name, variant, span)
            for hour, files in sorted(captured.items()):
                manifest, digest = manifests.get(hour), capture_digest(files)
                known = manifest is not None and (manifest.capture_digest, manifest.merge_rules) == (
                    digest,
                    MERGE_RULES,
                )
                folder = folders.get(hour, MergedFolder())
                yield HourWork(variant, hour, files, folder, manifest, digest, is_new=not known)

    def _remember(self, hours: dict[Window, tuple[CaptureObject, ...]]) -> None:
        self._label_places = {}
        self._label_files = {}
        for hour, items in hours.items():
            for item in items:
                source = LabelSource(item.key, item.etag)
                self._label_places[source], self._label_files[source] = hour, item

    def _write_batch(
        self, batch: Sequence[tuple[HourWork, tuple[LabelSource, ...]]], search: LabelSearch
    ) -> dict[str, MergeManifest | None]:
        """Join some hours and write them; of each the manifest as it is stored, or ``None`` if another run wrote."""
        with tempfile.TemporaryDirectory(prefix="watchkeeper-merge-") as name:
            folder = Path(name)
            outputs = [MergedParts(folder / f"hour-{place}") for place in range(len(batch))]
            joined = [pair for pair in batch if pair[1]]
            places = [place for place, (_, labels) in enumerate(batch) if labels]
            counts = iter(
                self._join(joined, lambda place, block: outputs[places[place]].write(block), folder / "spill")
            )
            stored: dict[str, MergeManifest | None] = {}
            for (work, labels), output in zip(batch, outputs, strict=True):
                found = next(counts) if labels else self._without_labels(work, search)
                manifest = self._manifest(work, labels, found, search)
                stored[work.name] = self.deployment.merged.write_hour(manifest, output.paths, work.folder)
                if stored[work.name] is not None:
                    self._tell_hour(manifest, work)
        return stored

    def _join(
        self,
        batch: Sequence[tuple[HourWork, tuple[LabelSource, ...]]],
        write: Callable[[int, bytes], None],
        folder: Path,
    ) -> tuple[HourCounts, ...]:
        if not batch:
            return ()
        sources = sorted({source for _, labels in batch for source in labels}, key=lambda source: source.key)
        total = sum(item.size for work, _ in batch for item in work.files)
        total += sum(self._label_files[source].size for source in sources)
        return join_labels(
            [HourCaptures(work.name, map(self._captures.open, work.files)) for work, _ in batch],
            (self._labels.open(self._label_files[source], self._label_places[source]) for source in sources),
            write,
            folder=folder,
            total_bytes=total,
        )

    def _without_labels(self, work: HourWork, search: LabelSearch) -> HourCounts:
        index = search.capture_index(work)
        return HourCounts(work.name, captured_count=index.captured_count, malformed_count=index.malformed_count)

    def _manifest(
        self, work: HourWork, labels: tuple[LabelSource, ...], counts: HourCounts, search: LabelSearch
    ) -> MergeManifest:
        malformed, samples = self._malformed(labels, search)
        return MergeManifest(
            endpoint=self.spec.registry_id,
            endpoint_name=self.spec.endpoint_name,
            variant=work.variant,
            hour=work.hour.name,
            digest=merge_digest(work.digest, labels, MERGE_RULES),
            capture_digest=work.digest,
            capture_object_count=len(work.files),
            label_objects=labels,
            captured_count=counts.captured_count,
            matched_count=counts.matched_count,
            unmatched_count=counts.unmatched_count,
            malformed_capture_count=counts.malformed_count,
            duplicate_label_count=counts.duplicate_label_count,
            conflicting_label_count=counts.conflicting_label_count,
            malformed_label_count=malformed,
            malformed_label_samples=samples,
            coverage=counts.matched_count / counts.captured_count if counts.captured_count else None,
            merge_rules=MERGE_RULES,
            code_version=code_version(),
            run_id=self.run_id,
            merged_at=moment_text(datetime.now(UTC)),
            revision=1 if work.manifest is None else work.manifest.revision + 1,
        )

    def _malformed(self, labels: tuple[LabelSource, ...], search: LabelSearch) -> tuple[int, tuple[str, ...]]:
        count = 0
        samples: list[str] = []
        for hour in sorted({self._label_places[source] for source in labels}):
            if not search.summaries[hour.name].malformed_count:
                continue
            for index in search.label_indexes(hour, search.summaries[hour.name].digest):
                if LabelSource(index.key, index.etag) in labels:
                    count += index.malformed_count
                    samples += index.malformed_samples
        return count, tuple(samples[:_SAMPLES])

    def _tell_hour(self, manifest: MergeManifest, work: HourWork) -> None:
        share = "nothing captured" if manifest.coverage is None else f"coverage {manifest.coverage:.1%}"
        extras = [
            f"{count:,} {what}"
            for count, what in (
                (manifest.duplicate_label_count, "duplicate labels"),
                (manifest.conflicting_label_count, "ids with conflicting labels (the last by event time counts)"),
                (manifest.malformed_label_count, "malformed label lines"),
                (manifest.malformed_capture_count, "malformed captured lines"),
            )
            if count
        ]
        self.tell(
            f"{self.spec.registry_id}/{manifest.variant} {work.hour}: {manifest.matched_count:,} of "
            f"{manifest.captured_count:,} captured invocations have a label, {share}, revision {manifest.revision}"
            + "".join(f"; {extra}" for extra in extras)
        )
        for sample in manifest.malformed_label_samples[:3]:
            self.warn(f"Malformed label: {sample}")

    def _conclude(
        self,
        search: LabelSearch,
        manifests: dict[str, MergeManifest],
        before: MergeSummary | None,
        etag: str | None,
    ) -> None:
        hours = search.summaries.values()
        # By run, not by what this try wrote: a run that was killed and tried again must still tell all of it.
        changed = tuple(sorted(name for name, manifest in manifests.items() if manifest.run_id == self.run_id))
        captured = sum(manifest.captured_count for manifest in manifests.values())
        matched = sum(manifest.matched_count for manifest in manifests.values())
        summary = MergeSummary(
            endpoint=self.spec.registry_id,
            horizon_days=self.horizon_days,
            label_hours=dict(sorted(search.summaries.items())),
            captured_count=captured,
            matched_count=matched,
            unmatched_capture_count=captured - matched,
            label_count=sum(hour.label_count for hour in hours),
            unmatched_label_count=sum(hour.unmatched_count for hour in hours),
            malformed_label_count=sum(hour.malformed_count for hour in hours),
            changed_hours=changed,
            run_id=self.run_id,
            merged_at=moment_text(datetime.now(UTC)),
        )
        self.tell(
            f"{self.spec.registry_id}: {summary.captured_count:,} captures and {summary.label_count:,} labels of the "
            f"last {self.horizon_days} days; hours changed: {len(changed)}; unmatched: "
            f"{summary.unmatched_capture_count:,} captures, {summary.unmatched_label_count:,} label ids"
        )
        if before is not None:
            same_run = replace(summary, merged_at=before.merged_at)
            quiet_run = replace(same_run, changed_hours=before.changed_hours, run_id=before.run_id)
            if before == same_run or (not changed and before == quiet_run):
                return
        # If another run was quicker, its summary stands: the next run begins with it and looks again.
        self.deployment.merged.write_summary(summary, etag)


def _batches(
    due: Sequence[tuple[HourWork, tuple[LabelSource, ...]]],
) -> Iterator[list[tuple[HourWork, tuple[LabelSource, ...]]]]:
    batch: list[tuple[HourWork, tuple[LabelSource, ...]]] = []
    size = 0
    for work, labels in due:
        weight = sum(item.size for item in work.files)
        if batch and size + weight > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append((work, labels))
        size += weight
    if batch:
        yield batch
