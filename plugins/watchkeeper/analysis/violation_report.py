"""Model Monitor's ``constraint_violations.json``."""

import re
from collections.abc import Iterable

import msgspec

from watchkeeper.analysis.bias_finding import bias_key
from watchkeeper.analysis.finding import Check, Finding, Outcome
from watchkeeper.analysis.jackson_json import encode
from watchkeeper.errors import DocumentError


def encode_violations(findings: Iterable[Finding]) -> bytes | None:
    """Return the document of the violated findings, or ``None`` when there are none: then no file is written."""
    violations = [
        {
            "feature_name": finding.feature,
            "constraint_check_type": finding.check.value,
            "description": finding.reason,
        }
        for finding in findings
        if finding.outcome is Outcome.VIOLATED
    ]
    return encode({"violations": violations}) if violations else None


class _Violation(msgspec.Struct):
    constraint_check_type: str
    description: str = ""
    feature_name: str | None = None
    metric_name: str | None = None  # of a model's quality, in camelCase; of bias, as it is
    facet: str | None = None
    facet_value: str | None = None

    @property
    def feature(self) -> str:
        """What was checked, in our spelling."""
        if self.feature_name is None and self.metric_name is None:
            message = "a violation names neither feature_name nor metric_name"
            raise ValueError(message)
        if self.facet is not None:
            return bias_key(self.facet, self.facet_value or "", self.metric_name or "")
        return self.feature_name or _CAPITAL.sub(lambda match: f"_{match[0].lower()}", self.metric_name or "")


_CAPITAL = re.compile(r"(?<=.)[A-Z]")


class _Document(msgspec.Struct):
    violations: list[_Violation]


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_DOCUMENTS = msgspec.json.Decoder(_Document)


def decode_violations(data: bytes, source: str = "constraint_violations.json") -> list[Finding]:
    """Return the violations in a document of ours or of Model Monitor's; extra fields are ignored.

    Documents of a model's quality have ``metric_name``s, which come back in snake_case; those of bias have a facet, its
    value and a metric, which come back as one key.

    Raises
    ------
    DocumentError
        when it is not such a document.
    """
    try:
        document = _DOCUMENTS.decode(data)
        return [
            Finding(v.feature, Check(v.constraint_check_type), Outcome.VIOLATED, v.description)
            for v in document.violations
        ]
    except (msgspec.MsgspecError, ValueError) as error:
        remedy = "Expected {violations: [{feature_name, constraint_check_type, description}]}"
        raise DocumentError(source, str(error), remedy) from error
