"""Makes one message of letters that belong together: those of one endpoint in one run, or a storm over the fleet."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from watchkeeper.aws.claim_record import Delivery
from watchkeeper.aws.notice_record import digest_of
from watchkeeper.aws.notice_thread import ReminderText
from watchkeeper.registry.notice_routing import Channel, NoticeFacts, worst_severity
from watchkeeper.registry.routing_spec import RoutingSpec

#: What may stand together with others of its sort. All else is for itself: somebody acts on it, or is asked.
BAD_NEWS = frozenset({"alert", "correction", "reminder"})
GOOD_NEWS = frozenset({"withdrawal", "recovery"})
_WHOLE_TEXTS = 20
_HEADLINES = 100
_NAMES = 500
_FLEET = "fleet"


@dataclass(frozen=True)
class Letter:
    """One message as it would go out alone. ``identity`` is its deduplication id, ``group`` keeps order in FIFO topics.

    ``subject`` is what of its thread it speaks of, such as a window; ``after`` is the letter without which it makes no
    sense, ``delivered`` what an earlier try has sent already, and ``reminder`` what is told again while it stands.
    """

    facts: NoticeFacts
    identity: str
    group: str
    headline: str
    text: str
    attributes: Mapping[str, str]
    thread: str | None = None
    subject: str = ""
    after: str | None = None
    delivered: tuple[Delivery, ...] = ()
    own_topic: str | None = None
    reminder: ReminderText | None = None

    @property
    def is_good_news(self) -> bool:
        """Whether it takes back what was told."""
        return self.facts.kind in GOOD_NEWS


@dataclass(frozen=True)
class Bundle:
    """Letters that go out as one message, through ``channels``; a ``storm`` has a thread of its own."""

    letters: tuple[Letter, ...]
    channels: tuple[Channel, ...]
    storm: str | None = None
    attributes: Mapping[str, str | Sequence[str]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", self._together())

    @property
    def first(self) -> Letter:
        """The letter that names the endpoint."""
        return self.letters[0]

    @property
    def row(self) -> str:
        """What must be sent one after the other."""
        return _FLEET if self.storm else self.first.facts.endpoint or self.first.identity

    @property
    def identity(self) -> str:
        """The message's deduplication id."""
        if len(self.letters) == 1:
            return self.first.identity
        return digest_of("\n".join(letter.identity for letter in self.letters))

    @property
    def group(self) -> str:
        """What keeps its order in a FIFO topic."""
        return _FLEET if self.storm else self.first.group

    @property
    def source(self) -> str:
        """Whom or what it is about."""
        return "watchkeeper" if self.storm else self.first.facts.endpoint or "watchkeeper"

    @property
    def severity(self) -> str:
        """The worst severity of its letters."""
        return worst_severity(letter.facts.severity for letter in self.letters)

    @property
    def is_good_news(self) -> bool:
        """Whether it takes back what was told: letters of both sorts never stand together."""
        return self.first.is_good_news

    @property
    def headline(self) -> str:
        """The letters' own headline if they share one, else how many there are of what."""
        if len({letter.headline for letter in self.letters}) == 1 and not self.storm:
            return self.first.headline
        told = ", ".join(f"{count} {kind}" for kind, count in self._kinds().most_common())
        rated = "" if self.is_good_news else f"[{self.severity}] "
        if self.storm:
            endpoints = len({letter.facts.endpoint for letter in self.letters})
            return f"{rated}{endpoints} endpoints at once: {told}"
        return f"{rated}{self.first.facts.endpoint}: {told}"

    @property
    def text(self) -> str:
        """The letter's text; of several, their headlines, then as many texts as can be read."""
        if len(self.letters) == 1:
            return self.first.text
        lines = [self.headline, ""]
        lines += [f"- {letter.headline}" for letter in self.letters[:_HEADLINES]]
        if len(self.letters) > _HEADLINES:
            lines.append(f"- and {len(self.letters) - _HEADLINES} more: see the ledger")
        shown = () if self.storm else self.letters[:_WHOLE_TEXTS]
        return "\n".join(lines) + "\n" + "".join(f"\n----\n\n{letter.text}" for letter in shown)

    def _kinds(self) -> Counter[str]:
        return Counter(letter.attributes.get("verdict") or letter.facts.kind for letter in self.letters)

    def _together(self) -> Mapping[str, str | Sequence[str]]:
        """Return each attribute's value, or all values where letters differ: a filter policy holds if any matches."""
        names = dict.fromkeys(name for letter in self.letters for name in letter.attributes)
        found: dict[str, str | Sequence[str]] = {}
        for name in names:
            values = dict.fromkeys(letter.attributes[name] for letter in self.letters if name in letter.attributes)
            found[name] = next(iter(values)) if len(values) == 1 else list(values)[:_NAMES]
        return found | {"severity": self.severity}


def bundles_of(addressed: Sequence[tuple[Letter, tuple[Channel, ...]]], routing: RoutingSpec) -> list[Bundle]:
    """Return the messages that letters make, in the order of their first letters; without a channel there is none."""
    groups: dict[tuple[object, ...], list[Letter]] = {}
    channels: dict[tuple[object, ...], tuple[Channel, ...]] = {}
    for letter, given in addressed:
        if not given:
            continue
        names = tuple(channel.name for channel in given)
        key: tuple[object, ...] = (letter.facts.endpoint, letter.is_good_news, names)
        if not (routing.group and _may_stand_together(letter)):
            key = (letter.identity,)
        groups.setdefault(key, []).append(letter)
        channels[key] = given
    bundles = [Bundle(tuple(letters), channels[key]) for key, letters in groups.items()]
    return _with_storms(bundles, routing)


def _with_storms(bundles: list[Bundle], routing: RoutingSpec) -> list[Bundle]:
    if routing.storm_endpoints is None:
        return bundles
    seen: dict[tuple[object, ...], list[Bundle]] = {}
    for bundle in bundles:
        if _may_stand_together(bundle.first):
            names = tuple(channel.name for channel in bundle.channels)
            seen.setdefault((bundle.is_good_news, names), []).append(bundle)
    found = list(bundles)
    for alike in seen.values():
        endpoints = {bundle.first.facts.endpoint for bundle in alike}
        if len(endpoints) > routing.storm_endpoints:
            letters = tuple(letter for bundle in alike for letter in bundle.letters)
            storm = f"storm/{digest_of('|'.join(letter.identity for letter in letters))}"
            found[found.index(alike[0])] = Bundle(letters, alike[0].channels, storm)
            found = [bundle for bundle in found if bundle not in alike]
    return found


def _may_stand_together(letter: Letter) -> bool:
    known = letter.facts.kind in BAD_NEWS | GOOD_NEWS
    return known and letter.facts.endpoint is not None and not letter.delivered
