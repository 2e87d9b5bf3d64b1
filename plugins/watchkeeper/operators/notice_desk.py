"""Brings letters to people: chooses channels, makes one message of what belongs together, keeps the threads."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from watchkeeper.aws.claim_record import Delivery
from watchkeeper.errors import WatchkeeperError
from watchkeeper.operators.incident_keys import incident_keys
from watchkeeper.operators.letter_bundle import BAD_NEWS, Bundle, Letter, bundles_of
from watchkeeper.operators.message_text import link_lines, runbook_address
from watchkeeper.operators.notice_channels import Message, ProviderMissingError, hand_over
from watchkeeper.registry.notice_routing import Channel, channel_named, channels_of, silence_over, topic_channel
from watchkeeper.registry.routing_spec import RoutingSpec, SilenceSpec
from watchkeeper.registry.runbook_pages import runbook_name

if TYPE_CHECKING:
    from watchkeeper.aws.notice_thread import ThreadRecord
    from watchkeeper.operators.monitor_base import Deployment

_PUBLISHERS = 8


@dataclass(frozen=True)
class Posted:
    """What came of a letter: what channels took, and in words why others did not."""

    deliveries: tuple[Delivery, ...] = ()
    fault: str = ""


class NoticeDesk:
    """Posts the letters of one run."""

    def __init__(self, deployment: "Deployment", now: datetime, warn: Callable[..., object]) -> None:
        self.deployment = deployment
        self.now = now
        self.warn = warn

    @cached_property
    def routing(self) -> RoutingSpec:
        """What the fleet's file says; where it cannot be read, what holds without one, so that nothing is lost."""
        try:
            return self.deployment.fleet.routing
        except WatchkeeperError as error:
            self.warn("Messages go to the topics alone, since the fleet's file cannot be read: %s", error)
            return RoutingSpec()

    @cached_property
    def silences(self) -> tuple[SilenceSpec, ...]:
        """All silences that hold now, of the fleet's file and those made while all runs on."""
        try:
            made = self.deployment.silences.active(self.now, self.warn)
        except Exception as error:  # noqa: BLE001 - a message too many is better than none
            self.warn("Only the silences of the fleet's file hold, the others cannot be read: %s", _in_words(error))
            made = ()
        return (*self.routing.silences, *made)

    def silence_over(self, letter: Letter) -> SilenceSpec | None:
        """Return what holds a letter back, if anything."""
        return silence_over(letter.facts, self.silences, self.now)

    def channels(self, letter: Letter) -> tuple[Channel, ...]:
        """Return where a letter goes: good news to those who had the bad, all else as the routes say."""
        if letter.is_good_news and letter.thread is not None:
            thread = self.deployment.threads.read(letter.thread)
            known = [channel_named(one.channel, self.routing) for one in thread.deliveries] if thread else []
            told = tuple(dict.fromkeys(channel for channel in known if channel is not None))
            if told and thread is not None and thread.is_open:
                return told
        return channels_of(
            letter.facts,
            self.routing,
            own_topic=letter.own_topic,
            default_topic=self.deployment.settings.topic_arn,
        )

    def post(self, letters: Sequence[Letter]) -> list[Posted]:
        """Send letters and return what came of each, in their order; never raises for what a channel answers.

        Those of one endpoint keep their order. A letter that follows one that was not sent is not sent either.
        """
        # Made here: what is made at first use is not made twice by threads.
        self.deployment.access.client("s3")
        found: dict[str, Posted] = {}
        addressed = []
        for letter in letters:
            try:
                addressed.append((letter, self._left(letter)))
            except Exception as error:  # noqa: BLE001 - told in the report, which fails the run
                found[letter.identity] = Posted(letter.delivered, _in_words(error))
        bundles = bundles_of(addressed, self.routing)
        rows: dict[str, list[Bundle]] = {}
        for bundle in bundles:
            rows.setdefault(bundle.row, []).append(bundle)
        before = found | self._post_row([bundle for bundle in bundles if bundle.storm], found)
        calm = [row for row in rows.values() if not row[0].storm]
        with ThreadPoolExecutor(_PUBLISHERS) as publishers:
            found = before.copy()
            for posted in publishers.map(lambda row: self._post_row(row, before), calm):
                found |= posted
        return [found.get(letter.identity, Posted(letter.delivered)) for letter in letters]

    def _left(self, letter: Letter) -> tuple[Channel, ...]:
        done = {one.channel for one in letter.delivered}
        return tuple(channel for channel in self.channels(letter) if channel.name not in done)

    def _post_row(self, bundles: list[Bundle], before: Mapping[str, Posted]) -> dict[str, Posted]:
        found = dict(before)
        for bundle in bundles:
            missing = [letter.after for letter in bundle.letters if letter.after in found and found[letter.after].fault]
            if missing:
                fault = "waits for the message before it, which was not sent"
                found |= {letter.identity: Posted(letter.delivered, fault) for letter in bundle.letters}
                continue
            deliveries, faults = self._post_bundle(bundle)
            for letter in bundle.letters:
                found[letter.identity] = Posted((*letter.delivered, *deliveries), "; ".join(faults))
        return {name: posted for name, posted in found.items() if name not in before}

    def _post_bundle(self, bundle: Bundle) -> tuple[tuple[Delivery, ...], list[str]]:
        deliveries: list[Delivery] = []
        faults: list[str] = []
        threads = self.deployment.threads
        try:
            records = {letter.thread: threads.read(letter.thread) for letter in bundle.letters if letter.thread}
        except Exception as error:  # noqa: BLE001 - told in the report, which fails the run
            return (), [_in_words(error)]
        for channel in bundle.channels:
            try:
                deliveries.append(self._hand_over(bundle, channel, records))
            except Exception as error:  # noqa: BLE001 - told in the report, which fails the run
                faults.append(f"{channel.name}: {_in_words(error)}")
        if deliveries:
            try:
                self._note(bundle, tuple(deliveries))
            except Exception as error:  # noqa: BLE001 - the message is out: to send it again would be worse
                self.warn("The thread of %r is not up to date: %s", bundle.headline, _in_words(error))
        return tuple(deliveries), faults

    def _hand_over(self, bundle: Bundle, channel: Channel, threads: "Mapping[str, ThreadRecord | None]") -> Delivery:
        message = self._message(bundle, channel, threads)
        access = self.deployment.access
        try:
            return hand_over(access, message, channel, self.now)
        except ProviderMissingError as error:
            topic = self.deployment.settings.topic_arn
            if topic is None:
                raise
            self.warn("Sent to %s instead: %s", topic, error)
            delivery = hand_over(access, message, topic_channel(topic), self.now)
            # Under the channel's own name: another try must not send it again.
            return msgspec.structs.replace(delivery, channel=channel.name)

    def _message(self, bundle: Bundle, channel: Channel, threads: "Mapping[str, ThreadRecord | None]") -> Message:
        hung = [thread.delivery(channel.name) if thread and thread.is_open else None for thread in threads.values()]
        refs = {one.thread_ref if one is not None else None for one in hung}
        paged = channel.spec.pagerduty is not None
        return Message(
            identity=bundle.identity,
            group=bundle.group,
            headline=bundle.headline,
            text=bundle.text + (self._storm_links() if bundle.storm else ""),
            severity=bundle.severity,
            attributes=bundle.attributes,
            source=bundle.source,
            incidents=incident_keys(bundle, channel.name, threads, self.deployment.threads.read) if paged else {},
            thread_ref=refs.pop() if channel.spec.slack is not None and len(refs) == 1 else None,
        )

    def _storm_links(self) -> str:
        page = runbook_address(self.deployment.settings, runbook_name("alert_storm"))
        return "\n" + "\n".join(link_lines(runbook=page)) + "\n"

    def _note(self, bundle: Bundle, deliveries: tuple[Delivery, ...]) -> None:
        """Bring the threads up to date: what stands, and where."""
        threads = self.deployment.threads
        named = tuple(letter.thread for letter in bundle.letters if letter.thread)
        if bundle.storm and not bundle.is_good_news:
            threads.told(bundle.storm, bundle.storm, now=self.now, deliveries=deliveries, members=named)
        for letter in bundle.letters:
            if letter.thread is None:
                continue
            if letter.is_good_news:
                subject = None if letter.facts.kind == "recovery" else letter.subject
                threads.taken_back(letter.thread, subject, now=self.now)
            else:
                subject = letter.subject if letter.facts.kind in BAD_NEWS else ""
                threads.told(
                    letter.thread, subject or None, now=self.now, deliveries=deliveries, reminder=letter.reminder
                )


def _in_words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
