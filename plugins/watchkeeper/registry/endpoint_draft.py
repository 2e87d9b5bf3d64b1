"""A first endpoint file, written from what AWS tells about a live endpoint."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

UNKNOWN_MARK = "# unknown:"
"""Begins every line that a person has to fill in."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./:-]*[A-Za-z0-9_/]|[A-Za-z]")
_OWNER_TAGS = ("owner", "team", "squad", "contact")
_JSON_ENCODINGS = frozenset({"JSON"})


@dataclass(frozen=True)
class CapturedSide:
    """One side of one captured invocation: its shape, never its values."""

    encoding: str
    """``CSV``, ``JSON`` or ``BASE64``, as capture says."""
    content_type: str = ""
    """The observed content type, as it stands in the line."""
    column_count: int | None = None
    """Columns of the payload's first row; None if it could not be read."""
    column_names: tuple[str, ...] = ()
    """JSON's own names; empty for CSV, which has none."""


@dataclass(frozen=True)
class EndpointFacts:
    """What could be learned about a live endpoint; None or empty where AWS did not say."""

    endpoint_name: str
    region_name: str | None = None
    aws_conn_id: str = "aws_default"
    role_arn: str | None = None
    variants: tuple[str, ...] = ()
    model_version: str | None = None
    capture_enabled: bool = False
    """Whether the configuration in service captures at all."""
    capture_s3_uri: str | None = None
    sampling_percentage: int | None = None
    kms_key_id: str | None = None
    csv_content_types: tuple[str, ...] = ()
    """Written only where capture is on, and then as they are: an empty list stores that kind as base64."""
    json_content_types: tuple[str, ...] = ()
    request: CapturedSide | None = None
    """The request of one captured line, if there is any capture yet."""
    response: CapturedSide | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def draft_endpoint_file(facts: EndpointFacts) -> str:
    """Return the YAML of an endpoint file; what could not be known is a comment that starts with ``# unknown:``.

    The draft passes the registry's check as soon as those that are required (owner, and capture.s3_uri
    where capture was never configured) are filled in.
    """
    lines = [
        f"# Drafted from the live endpoint {_scalar(facts.endpoint_name)}.",
        "# Lines that begin with '# unknown:' are what AWS could not tell; docs/registry.md explains every field.",
        f"endpoint_name: {_scalar(facts.endpoint_name)}",
        *_owner(facts),
        f"{UNKNOWN_MARK} what the model does, in a sentence",
        "# description: Scores each customer for churn.",
    ]
    if facts.region_name:
        lines.append(f"region_name: {_scalar(facts.region_name)}")
    if facts.aws_conn_id != "aws_default":
        lines.append(f"aws_conn_id: {_scalar(facts.aws_conn_id)}")
    if facts.role_arn:
        lines.append(f"role_arn: {_scalar(facts.role_arn)}")
    if facts.variants:
        lines.append(f"variants: {_flow(facts.variants)}")
    else:
        lines += [
            f"{UNKNOWN_MARK} the production variants; without this line AllTraffic is watched",
            "# variants: [AllTraffic]",
        ]
    if facts.model_version:
        lines.append(f"model_version: {_quoted(facts.model_version)}")
    else:
        lines += [f"{UNKNOWN_MARK} the version of the model in service, in quotes", '# model_version: "1"']
    lines += ["", "capture:", *_indented(_capture(facts)), "", *_baseline(facts)]
    if facts.tags:
        lines += ["", "tags:", *(f"  {_scalar(name)}: {_scalar(facts.tags[name])}" for name in sorted(facts.tags))]
    return "\n".join(lines) + "\n"


def _owner(facts: EndpointFacts) -> list[str]:
    by_name = {name.lower(): value for name, value in facts.tags.items() if value.strip()}
    for name in _OWNER_TAGS:
        if name in by_name:
            return [f"owner: {_scalar(by_name[name])}  # from the endpoint's tag {_scalar(name)}"]
    return [f"{UNKNOWN_MARK} the team or person who answers for the model (required)", "# owner: my-team"]


def _capture(facts: EndpointFacts) -> list[str]:
    lines = []
    if not facts.capture_enabled:
        lines.append("# Data capture is off on this endpoint; what follows is what enabling it would set.")
    if facts.capture_s3_uri:
        lines.append(f"s3_uri: {_scalar(facts.capture_s3_uri)}")
    else:
        lines += [f"{UNKNOWN_MARK} where capture shall be written (required)", "# s3_uri: s3://bucket/capture"]
    if facts.sampling_percentage is not None:
        lines.append(f"sampling_percentage: {facts.sampling_percentage}")
    elif not facts.capture_enabled:
        lines += [
            f"{UNKNOWN_MARK} the share of invocations to capture, in percent; 100 without this line",
            "# sampling_percentage: 100",
        ]
    if facts.kms_key_id:
        lines.append(f"kms_key_id: {_scalar(facts.kms_key_id)}")
    if facts.capture_enabled:
        lines.append(f"csv_content_types: {_flow(facts.csv_content_types)}")
        lines.append(f"json_content_types: {_flow(facts.json_content_types)}")
    if facts.request is None and facts.response is None:
        lines.append(f"{UNKNOWN_MARK} the columns: there is no captured line yet to read their number from")
    lines += _columns("input_columns", "request", facts.request)
    lines += _columns("output_columns", "response", facts.response)
    return lines


def _columns(key: str, side_name: str, side: CapturedSide | None) -> list[str]:
    if side is None:
        return []
    if side.encoding in _JSON_ENCODINGS:
        if side.column_names:
            return [f"# {key}: the {side_name} is JSON and names its columns itself: {_flow(side.column_names)}"]
        return [f"{UNKNOWN_MARK} the {side_name} is JSON, but not flat; nested names cannot be monitored"]
    if side.column_count is None:
        kind = f"{side.encoding} ({side.content_type})" if side.content_type else side.encoding
        return [f"{UNKNOWN_MARK} {key}: the {side_name} is {_comment(kind)}, whose columns could not be counted"]
    names = tuple(f"column_{number}" for number in range(1, side.column_count + 1))
    plural = "s" if side.column_count != 1 else ""
    return [
        f"{UNKNOWN_MARK} the names of the {side.column_count} column{plural} of the {side_name}, in their order "
        "(the baseline's are used without this line)",
        f"# {key}: {_flow(names[:4])}" + (f"  # and {len(names) - 4} more" if len(names) > 4 else ""),
    ]


def _baseline(facts: EndpointFacts) -> list[str]:
    return [
        f"{UNKNOWN_MARK} the training data that the baseline of {_comment(facts.endpoint_name)} is made from",
        "# baseline:",
        "#   dataset: s3://bucket/train.csv",
    ]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines] or ["  {}"]


def _flow(values: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_scalar, values))}]"


def _scalar(value: str) -> str:
    """Return a text as YAML on one line: plain where that is safe, else in double quotes."""
    if _PLAIN.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    return _quoted(value)


def _quoted(value: str) -> str:
    return yaml.safe_dump(value, default_style='"', width=float("inf"), allow_unicode=True).rstrip("\n")


def _comment(text: str) -> str:
    return " ".join(text.split())
