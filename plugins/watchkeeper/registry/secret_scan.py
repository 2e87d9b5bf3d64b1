"""Finds what looks like a secret in a file's text. Tells the line and the sort, never the value."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

REMEDY = (
    "files hold no secrets: revoke it, keep the new one in an Airflow connection (in Secrets Manager, if that is the "
    "secrets backend) and name the connection's id here; end the line with # no-secret if it is none"
)
_EXEMPT = re.compile(r"#\s*no-secret\s*$")

_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY")),
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b")),
    ("a Slack token", re.compile(r"\bx(?:ox[a-z]|app)-[A-Za-z0-9-]{10,}")),
    ("a Slack webhook", re.compile(r"hooks\.slack\.com/(?:services|workflows|triggers)/\S+")),
    ("a PagerDuty integration key", re.compile(r"\bR[0-9A-Z]{31}\b")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})")),
    ("a JSON web token", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.")),
    ("a bearer token", re.compile(r"\b[Bb]earer\s+[A-Za-z0-9._~+/-]{16,}")),
    ("a URL with credentials", re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'\"]*:[^\s/@'\"]+@")),
    ("a presigned URL", re.compile(r"[?&]X-Amz-Signature=[0-9a-f]{16,}")),
)
_NAMED = re.compile(
    r"(?i)(?<![a-z])(?P<name>passwo?r?d|passwd|secret|secret[_-]?access[_-]?key|secret[_-]?key|token|api[_-]?key|"
    r"access[_-]?key|routing[_-]?key|integration[_-]?key|authorization|credentials?)['\"]?\s*[:=]\s*['\"]?"
    r"(?P<value>[^\s'\"#,{}\[\]]{8,})"
)
#: Values that only say where a secret lies.
_POINTS_ELSEWHERE = re.compile(r"(?i)^(?:arn:aws|\$\{|\{\{|<|https?://|s3://)")
_WORD = re.compile(r"(?<![A-Za-z0-9+/=_.-])[A-Za-z0-9+/]{32,}={0,2}(?![A-Za-z0-9+/=_.-])")
#: How often the sort of character changes in random text: in 6 of 10 places; in CamelCase words in 3 of 10.
_RANDOM_CHANGES = 0.45
#: Words have such runs, random text hardly two of them.
_LONG_RUN = re.compile(r"[a-z]{5,}")


@dataclass(frozen=True, order=True)
class SecretFinding:
    """A line, counted from 1, that holds what looks like a secret of this kind."""

    line: int
    kind: str

    def __str__(self) -> str:
        return f"line {self.line}: got what looks like {self.kind}; {REMEDY}"


def secret_findings(text: str) -> tuple[SecretFinding, ...]:
    """Return every line that holds what looks like a secret, comments included, in order; one finding a line."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        kind = None if _EXEMPT.search(line) else next(_kinds(line), None)
        if kind is not None:
            found.append(SecretFinding(number, kind))
    return tuple(found)


def looks_secret(text: str) -> bool:
    """Say whether a text holds what looks like a secret, and so must not be shown."""
    return bool(secret_findings(text))


def _kinds(line: str) -> Iterator[str]:
    for kind, pattern in _KINDS:
        if pattern.search(line):
            yield kind
    for named in _NAMED.finditer(line):
        if not _POINTS_ELSEWHERE.match(named["value"]):
            yield f"a value for {named['name'].lower()}"
    if any(_is_random(word) for word in _WORD.findall(line)):
        yield "a random key"


def _is_random(word: str) -> bool:
    """Say whether a word is as mixed as a generated key is; names, paths and hexadecimal digests are not."""
    sorts = ["digit" if char.isdigit() else "upper" if char.isupper() else "lower" for char in word if char.isalnum()]
    if len(set(sorts)) < 3 or len(_LONG_RUN.findall(word)) > 1:
        return False
    changes = sum(one != other for one, other in pairwise(sorts))
    return changes >= _RANDOM_CHANGES * (len(sorts) - 1)
