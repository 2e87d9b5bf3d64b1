"""Finds which label objects each captured hour has to be merged with, from key indexes: captures are not read again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from watchkeeper.analysis.key_index import index_captures, index_labels
from watchkeeper.analysis.label_candidates import CHUNK_HASHES, LabelChunk
from watchkeeper.aws.capture_store import CaptureObject, CaptureStore, capture_digest
from watchkeeper.aws.ground_truth_store import GroundTruthStore
from watchkeeper.aws.key_index_store import CaptureIndex, KeyIndexStore, LabelIndex
from watchkeeper.aws.merge_manifest import LabelHourSummary, LabelSource, MergeManifest
from watchkeeper.aws.merged_store import MergedFolder
from watchkeeper.registry.capture_window import Window

if TYPE_CHECKING:
    from watchkeeper.analysis.distinct_sketch import Hashes


@dataclass
class HourWork:
    """A captured hour of a variant: its files, what was merged of it before, and the labels found for it.

    ``folder`` was listed before the files were. ``looked_at`` are the collection hours that were searched for it.
    """

    variant: str
    hour: Window
    files: tuple[CaptureObject, ...]
    folder: MergedFolder
    manifest: MergeManifest | None
    digest: str
    is_new: bool
    found: set[LabelSource] = field(default_factory=set)
    looked_at: set[Window] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The hour as it stands in events and summaries."""
        return f"{self.variant}/{self.hour.name}"

    def labels(self, listed: Mapping[LabelSource, Window]) -> tuple[LabelSource, ...]:
        """Return the label objects to merge with, in key order: those found now, and earlier ones still there."""
        earlier = () if self.is_new or self.manifest is None else self.manifest.label_objects
        kept = {source for source in earlier if source in listed and listed[source] not in self.looked_at}
        return tuple(sorted(self.found | kept, key=lambda source: source.key))


@dataclass
class LabelSearch:
    """Searches the labels of one endpoint. ``label_hours`` are the objects of its span by collection hour."""

    endpoint: str
    horizon: timedelta
    captures: CaptureStore
    ground_truth: GroundTruthStore
    indexes: KeyIndexStore
    label_hours: Mapping[Window, tuple[CaptureObject, ...]]
    known: Mapping[str, LabelHourSummary]
    summaries: dict[str, LabelHourSummary] = field(default_factory=dict)

    def search(self, works: Sequence[HourWork]) -> None:
        """Find the labels of hours that changed, and of all hours among labels that changed; count what is unmatched.

        Afterwards ``summaries`` has every collection hour of the span.
        """
        digests = {hour: capture_digest(files) for hour, files in self.label_hours.items()}
        changed = {
            hour
            for hour, digest in digests.items()
            if hour.name not in self.known or self.known[hour.name].digest != digest
        }
        wanted = changed | {
            hour for hour in digests for work in works if work.is_new and self._in_scope(work.hour, hour)
        }
        for work in works:
            if work.is_new:
                work.looked_at |= {hour for hour in digests if self._in_scope(work.hour, hour)}
        for hour in digests.keys() - wanted:
            self.summaries[hour.name] = self.known[hour.name]
        for chunk in self._chunks(sorted(wanted), digests):
            self._search_chunk(chunk, works, changed, digests)

    def capture_index(self, work: HourWork) -> CaptureIndex:
        """Return the ids of an hour's captures, made now if need be."""
        index = self.indexes.read_captures(self.endpoint, work.variant, work.hour, work.digest)
        if index is None:
            index = CaptureIndex.of(index_captures(self.captures.open(item) for item in work.files))
            self.indexes.write_captures(self.endpoint, work.variant, work.hour, work.digest, index)
        return index

    def label_indexes(self, hour: Window, digest: str) -> tuple[LabelIndex, ...]:
        """Return the ids of a collection hour's label objects; only objects that changed are read."""
        found = self.indexes.read_labels(self.endpoint, hour, digest)
        if found:
            return found
        earlier = {(index.key, index.etag): index for index in self.indexes.read_labels(self.endpoint, hour)}
        made = tuple(
            earlier.get((item.key, item.etag))
            or LabelIndex.of(item.key, item.etag, index_labels(self.ground_truth.open(item, hour)))
            for item in self.label_hours[hour]
        )
        self.indexes.write_labels(self.endpoint, hour, digest, made)
        return made

    def _in_scope(self, captured: Window, collected: Window) -> bool:
        return captured.start <= collected.start < captured.start + self.horizon

    def _chunks(
        self, hours: Sequence[Window], digests: Mapping[Window, str]
    ) -> Iterator[dict[Window, tuple[LabelIndex, ...]]]:
        chunk: dict[Window, tuple[LabelIndex, ...]] = {}
        size = 0
        for hour in hours:
            chunk[hour] = self.label_indexes(hour, digests[hour])
            size += sum(len(index.hashes) // 8 for index in chunk[hour])
            if size >= CHUNK_HASHES:
                yield chunk
                chunk, size = {}, 0
        if chunk:
            yield chunk

    def _search_chunk(
        self,
        indexes: Mapping[Window, tuple[LabelIndex, ...]],
        works: Sequence[HourWork],
        changed: set[Window],
        digests: Mapping[Window, str],
    ) -> None:
        hours = list(indexes)
        objects = [LabelSource(index.key, index.etag) for hour in hours for index in indexes[hour]]
        chunk = LabelChunk([[index.key_hashes() for index in indexes[hour]] for hour in hours])
        for work in works:
            places = [place for place, hour in enumerate(hours) if self._in_scope(work.hour, hour)]
            if not places or not (work.is_new or any(hours[place] in changed for place in places)):
                continue
            captured = self.capture_index(work).key_hashes()
            work.looked_at |= {hours[place] for place in places}
            work.found |= {objects[number] for number in chunk.objects_for(captured, places[0], places[-1] + 1)}
        for place, hour in enumerate(hours):
            self._summarize(chunk, place, hour, digests[hour], indexes[hour], is_new=hour in changed)

    def _summarize(
        self,
        chunk: LabelChunk,
        place: int,
        hour: Window,
        digest: str,
        indexes: Sequence[LabelIndex],
        *,
        is_new: bool,
    ) -> None:
        known: Hashes | None = None if is_new else self.indexes.read_unmatched(self.endpoint, hour, digest)
        unmatched = chunk.unmatched(place, known)
        if known is None or len(unmatched) != len(known):
            self.indexes.write_unmatched(self.endpoint, hour, digest, unmatched)
        self.summaries[hour.name] = LabelHourSummary(
            digest=digest,
            label_count=sum(index.label_count for index in indexes),
            id_count=len(chunk.ids(place)),
            unmatched_count=len(unmatched),
            malformed_count=sum(index.malformed_count for index in indexes),
        )
