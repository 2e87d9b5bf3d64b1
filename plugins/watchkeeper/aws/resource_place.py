"""Where a resource lies: the account and region that a connection, a role and a region lead to."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watchkeeper.aws.service_failure import permission_named

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess

_NONE = "-"


@dataclass(frozen=True)
class ResourcePlace:
    """A way to AWS as data; with nothing set it is the deployment's own place, home."""

    aws_conn_id: str | None = None
    region_name: str | None = None
    role_arn: str | None = None

    @property
    def is_home(self) -> bool:
        """Whether it is where the deployment's bucket, topic and metrics are."""
        return self == ResourcePlace()

    def __str__(self) -> str:
        if self.is_home:
            return "home"
        return " ".join(part or _NONE for part in (self.aws_conn_id, self.region_name, self.role_arn))

    @classmethod
    def parse(cls, text: str) -> "ResourcePlace":
        """Return the place that ``str`` gave."""
        return cls() if text == "home" else cls(*(None if part == _NONE else part for part in text.split(" ")))

    @classmethod
    def of(cls, access: "AwsAccess", home: "AwsAccess") -> "ResourcePlace":
        """Return the place that an access leads to."""
        return cls() if access == home else cls(access.aws_conn_id, access.region_name, access.role_arn)

    def access(self, home: "AwsAccess") -> "AwsAccess":
        """Return the way there."""
        from watchkeeper.aws.client_access import AwsAccess

        if self.is_home:
            return home
        return AwsAccess(self.aws_conn_id, self.region_name, home.verify, home.botocore_config, self.role_arn)


@dataclass(frozen=True)
class PlaceIdentity:
    """The account and the region that a place really is."""

    account: str
    region: str

    @property
    def partition(self) -> str:
        """The partition of its ARNs."""
        return next((name for start, name in _PARTITIONS if self.region.startswith(start)), "aws")


_PARTITIONS = (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"))


@dataclass
class PlaceBook:
    """The places of a deployment, each known once: two connections to one account and region are one place.

    Otherwise what is declared through the one would be pruned through the other.
    """

    home: "AwsAccess"
    _known: dict[ResourcePlace, PlaceIdentity] = field(default_factory=dict)
    _same: dict[ResourcePlace, ResourcePlace] = field(default_factory=dict)

    def place_of(self, access: "AwsAccess") -> ResourcePlace:
        """Return the place that an access leads to, under the first name it was known by. Asks STS once."""
        self.identity(ResourcePlace())
        place = ResourcePlace.of(access, self.home)
        if place not in self._same:
            identity = self.identity(place)
            self._same[place] = next(known for known, other in self._known.items() if other == identity)
        return self._same[place]

    def identity(self, place: ResourcePlace) -> PlaceIdentity:
        """Return the account and region of a place."""
        if place not in self._known:
            access = place.access(self.home)
            with permission_named("sts", "*"):
                account = access.client("sts").get_caller_identity()["Account"]
            self._known[place] = PlaceIdentity(account, access.resolved_region())
        return self._known[place]
