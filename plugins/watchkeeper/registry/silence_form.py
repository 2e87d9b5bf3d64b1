"""Makes a silence of what a person gives, with every fault told at once."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from watchkeeper.errors import SettingsError
from watchkeeper.registry.routing_spec import SilenceSpec
from watchkeeper.registry.spec_problems import told


def make_silence(
    match: Mapping[str, Any], until: str | datetime | None, reason: str | None, author: str | None, now: datetime
) -> SilenceSpec:
    """Return a silence; SettingsError tells every fault at once, an end that is over included."""
    given: dict[str, Any] = {"match": {name: value for name, value in match.items() if value}}
    given |= {name: value for name, value in (("until", until), ("reason", reason), ("author", author)) if value}
    try:
        silence = SilenceSpec.model_validate(given)
    except ValidationError as error:
        raise SettingsError("the silence", tuple(told(error.errors(include_url=False), SilenceSpec))) from None
    if silence.until <= now:
        problem = f"until: got {silence.until:%Y-%m-%dT%H:%MZ}, which is over; give a later moment"
        raise SettingsError("the silence", (problem,))
    return silence
