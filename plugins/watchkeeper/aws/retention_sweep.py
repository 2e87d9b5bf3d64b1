"""Deletes what is past its retention, below our prefix and of the kinds that have one; or counts what it would."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from watchkeeper.aws.object_store import ListedObject, ObjectStore

if TYPE_CHECKING:
    from watchkeeper.registry.retention_policy import DataKind

_BATCH = 1000


@dataclass(frozen=True)
class SweptKind:
    """What of one kind was past its retention, and whether it was deleted; ``is_whole`` unless the limit stopped it."""

    kind: str
    before: str
    object_count: int
    byte_count: int
    is_deleted: bool
    is_whole: bool


def sweep_kind(
    objects: ObjectStore, kind: "DataKind", before: date, *, written_before: datetime, limit: int, delete: bool
) -> SweptKind:
    """Delete the objects of a kind that are about a day before ``before``; return how many there were.

    Only objects that were also written before ``written_before``, and at most ``limit`` of them: the oldest of each
    folder first, and the rest another day. Keys that do not say their day are left. Killed half way, what is left is
    found by the next.
    """
    count = size = 0
    batch: list[str] = []
    is_whole = True
    for item in _expired(objects, kind, before, written_before):
        if count == limit:
            is_whole = False
            break
        count += 1
        size += item.size
        batch.append(item.key)
        if delete and len(batch) == _BATCH:
            objects.delete_many(batch)
            batch = []
    if delete:
        objects.delete_many(batch)
    return SweptKind(kind.name, before.isoformat(), count, size, delete, is_whole)


def _expired(objects: ObjectStore, kind: "DataKind", before: date, written_before: datetime) -> Iterator[ListedObject]:
    for folder in _ordered_folders(objects, kind.folder, kind.depth):
        for item in objects.list(folder):
            day = kind.day_of(item.key, item.last_modified)
            if day is None:
                continue
            if day >= before:
                if kind.pattern is not None:
                    break  # keys are in order of time
                continue
            if item.last_modified < written_before:
                yield item


def _ordered_folders(objects: ObjectStore, folder: str, depth: int) -> Iterator[str]:
    """Yield the folders so many levels below one; keys inside each are in order of time."""
    if depth == 0:
        yield folder
        return
    for inner in objects.folders(folder):
        yield from _ordered_folders(objects, inner, depth - 1)
