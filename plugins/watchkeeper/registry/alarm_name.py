"""The names of our alarms: which endpoint, variant and condition one speaks of can be read from its name."""

import re
from dataclasses import dataclass

_PARTS = re.compile(r"(?P<prefix>[^/]+)/(?P<endpoint>[^/]+)/(?P<variant>[^/]+)/(?P<condition>[^/]+)")
#: Stands for the endpoint of an alarm that is about the whole fleet, such as the absence of a DAG's heartbeat.
FLEET = "_fleet"
#: Stands for the variant of an alarm that is about all of them, such as a composite.
ALL_VARIANTS = "_all"


@dataclass(frozen=True)
class AlarmName:
    """``{prefix}/{endpoint}/{variant}/{condition}``; the endpoint is its registry id."""

    prefix: str
    endpoint: str
    variant: str
    condition: str

    def __str__(self) -> str:
        return f"{self.prefix}/{self.endpoint}/{self.variant}/{self.condition}"

    @property
    def is_of_fleet(self) -> bool:
        """Whether it speaks of no single endpoint."""
        return self.endpoint == FLEET

    @classmethod
    def parse(cls, text: str, prefix: str) -> "AlarmName | None":
        """Return the parts of one of our alarms' names; ``None`` for an alarm that is somebody else's."""
        found = _PARTS.fullmatch(text)
        return cls(**found.groupdict()) if found is not None and found["prefix"] == prefix else None
