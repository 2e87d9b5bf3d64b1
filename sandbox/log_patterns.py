"""Filter patterns of CloudWatch Logs that ministack takes for one long word: ``%expression%`` and ``?this ?that``."""

import re
from collections.abc import Callable

from ministack.services import cloudwatch_logs

Matcher = Callable[[str], bool]


def install() -> None:
    """Put the overlay over ministack. Call once, before the first request."""
    cloudwatch_logs._compile_filter_pattern = _compiled(cloudwatch_logs._compile_filter_pattern)


def _compiled(theirs: Callable[[str], Matcher]) -> Callable[[str], Matcher]:
    def compile_pattern(raw: str) -> Matcher:
        pattern = (raw or "").strip()
        if len(pattern) > 1 and pattern[0] == pattern[-1] == "%":
            expression = re.compile(pattern[1:-1])
            return lambda message: expression.search(message) is not None
        terms = pattern.split()
        if terms and all(term.startswith("?") for term in terms):
            wanted = [term[1:].strip('"') for term in terms]
            return lambda message: any(term in message for term in wanted)
        return theirs(raw)

    return compile_pattern
