"""Which incidents of PagerDuty a message opens, and which it resolves."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from watchkeeper.aws.notice_record import digest_of

if TYPE_CHECKING:
    from watchkeeper.aws.notice_thread import ThreadRecord
    from watchkeeper.operators.letter_bundle import Bundle, Letter

#: PagerDuty's limit of a dedup_key.
_KEY_LIMIT = 255


def incident_keys(
    bundle: "Bundle",
    channel: str,
    threads: "Mapping[str, ThreadRecord | None]",
    read: "Callable[[str], ThreadRecord | None]",
) -> dict[str, bool]:
    """Return the keys of a message's incidents, each with whether it is resolved by it.

    A thread is an incident; a storm is one for all its threads, resolved when the last of them is closed. Good news
    that leave something standing resolve nothing and touch no incident.
    """
    if not bundle.is_good_news:
        keys = [bundle.storm] if bundle.storm else [_own(letter.thread or letter.identity) for letter in bundle.letters]
        return dict.fromkeys(keys, False)
    closing = {letter.thread for letter in bundle.letters if letter.thread and closes(letter, threads[letter.thread])}
    found = {}
    for thread in sorted(closing):
        record = threads[thread]
        opened = record.delivery(channel) if record is not None else None
        key = (opened.thread_ref if opened else None) or _own(thread)
        storm = read(key) if key != _own(thread) else None
        members = () if storm is None else storm.members
        if all(member in closing or not _stands(read(member)) for member in members):
            found[key] = True
    return found


def closes(letter: "Letter", record: "ThreadRecord | None") -> bool:
    """Say whether nothing of a thread stands any longer once a letter is told."""
    if record is None or letter.facts.kind == "recovery":
        return True
    return all(subject == letter.subject for subject in record.standing)


def _own(thread: str) -> str:
    return thread if len(thread) <= _KEY_LIMIT else digest_of(thread)


def _stands(record: "ThreadRecord | None") -> bool:
    return record is not None and record.is_open
