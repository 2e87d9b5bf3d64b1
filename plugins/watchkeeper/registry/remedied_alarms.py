"""The alarms that an endpoint's remediation follows: which of their names nearly are a condition's."""

import difflib
from collections.abc import Iterator

from watchkeeper.registry.alarm_condition import ALARM_CONDITIONS, INCIDENT
from watchkeeper.registry.endpoint_spec import EndpointSpec


def misspelt_alarms(spec: EndpointSpec) -> Iterator[str]:
    """Yield a fault for each name that no alarm of the file has and that looks like one of theirs.

    Any other name is taken as the whole name of an alarm that is somebody else's, which cannot be checked here.
    """
    if spec.remediation is None:
        return
    own = () if spec.infrastructure is None else spec.infrastructure.alarms
    known = [*ALARM_CONDITIONS, INCIDENT, *own]
    for rule in spec.remediation.rules:
        for name in rule.alarms:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            if close and name not in known and name.removesuffix("_daily") not in known:
                yield f"remediation.rules {rule.name!r}: alarms: got {name!r}; did you mean {close[0]!r}?"
