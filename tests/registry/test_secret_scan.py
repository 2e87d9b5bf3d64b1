"""What looks like a secret is found and never shown; what only looks odd is left alone."""

import random
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.registry.fleet_file import load_fleet
from watchkeeper.registry.registry_files import load_registry
from watchkeeper.registry.secret_scan import REMEDY, looks_secret, secret_findings

ROOT = Path(__file__).parents[2]
CHANCE = random.Random(5)


def made_up(alphabet, length):
    """Return a key of nobody's, put together here so that no scanner of repositories stumbles on this file."""
    return "".join(CHANCE.choice(alphabet) for _ in range(length))


UPPER = string.ascii_uppercase + "234567"
MIXED = string.ascii_letters + string.digits
SECRETS = {
    "an AWS access key": "key: " + "AK" + "IA" + made_up(UPPER, 16),
    "a Slack token": "t: xo" + "xb-" + made_up(string.digits, 12) + "-" + made_up(MIXED, 24),
    "a Slack webhook": "url: https://hooks.slack" + ".com/services/T00/B00/" + made_up(MIXED, 24),
    "a PagerDuty integration key": "k: R0" + made_up(string.ascii_uppercase + string.digits, 30),
    "a bearer token": "# curl -H 'Authorization: Bear" + "er " + made_up(MIXED, 30) + "'",
    "a private key": "-----BEGIN RSA PRIV" + "ATE KEY-----",
    "a URL with credentials": "url: https://ana:" + "opensesame@example.com/x",
    "a GitHub token": "gh" + "p_" + made_up(MIXED, 36),
    "a JSON web token": "ey" + "J" + made_up(MIXED, 20) + ".ey" + "J" + made_up(MIXED, 30) + "." + made_up(MIXED, 20),
    "a presigned URL": "https://b.s3.amazonaws.com/k?X-Amz-Sig" + "nature=" + made_up("0123456789abcdef", 64),
    "a value for routing_key": "routing_key: " + made_up("0123456789abcdef", 32),
    "a value for password": "password = 'opensesame'",
    "a value for secret_access_key": "aws_secret_access_key: " + made_up(MIXED + "/+", 40),
}
HARMLESS = [
    "endpoint_name: flights-delay",
    "topic_arn: arn:aws:sns:us-east-1:123456789012:model-alerts",
    "role_arn: arn:aws:iam::210987654321:role/service-role/AmazonSageMaker-ExecutionRole-20261101T101010",
    "s3_uri: s3://example-capture/2026/11/25/Model4711/AllTraffic",
    "url: https://sqs.us-east-1.amazonaws.com/123456789012/watchkeeper-alarms",
    "digest: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/model@sha256:"
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "input_columns: [NumberOfPreviousPurchasesInTheLast30Days, average_transaction_amount_90_days_v2]",
    "conn_id: slack_api_default",
    "# the token is in the connection slack_api_default; password: see Secrets Manager",
    "tags: {token: short}",
    "secret: arn:aws:secretsmanager:us-east-1:123456789012:secret:airflow/connections/slack",
    "until: 2026-12-01T08:00:00+01:00",
]


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_found_with_its_line_and_sort_and_is_not_shown(kind):
    line = SECRETS[kind]
    (found,) = secret_findings(f"owner: ana\n\n{line}\n")
    assert (found.line, found.kind) == (3, kind)
    assert str(found) == f"line 3: got what looks like {kind}; {REMEDY}"
    assert secret_findings(f"{line} # no-secret") == ()


@pytest.mark.parametrize("line", HARMLESS)
def test_what_files_really_hold_is_no_secret(line):
    assert secret_findings(line) == ()


@pytest.mark.parametrize("path", sorted((ROOT / "include").rglob("*.yaml")), ids=lambda path: path.name)
def test_the_shipped_files_hold_none(path):
    assert secret_findings(path.read_text(encoding="utf-8")) == ()


def test_nearly_every_generated_key_is_found_and_no_name():
    keys = [made_up(MIXED, 40) for _ in range(300)]
    assert sum(map(looks_secret, keys)) > 285
    words = ["Average", "Purchase", "Amount", "Of", "Last", "Years", "2026", "Customer", "Id", "Days30"]
    names = ["".join(CHANCE.choice(words) for _ in range(9)) + "PreviousInvoices" for _ in range(300)]
    assert [name for name in names if looks_secret(name)] == []


@given(st.text())
def test_any_text_can_be_looked_at(text):
    lines = [found.line for found in secret_findings(text)]
    assert lines == sorted(set(lines))


@given(st.lists(st.sampled_from([*HARMLESS, *SECRETS.values()])))
def test_each_line_is_judged_for_itself(lines):
    expected = [number for number, line in enumerate(lines, 1) if line in SECRETS.values()]
    assert [found.line for found in secret_findings("\n".join(lines))] == expected


def test_a_fault_of_a_file_does_not_show_what_looks_like_a_secret(tmp_path):
    token = SECRETS["a Slack token"].removeprefix("t: ")
    (tmp_path / "churn.yaml").write_text(f"owner: me\ncapture: {{s3_uri: '{token}'}}\n")
    (problem,) = load_registry(tmp_path).problems
    assert token not in problem
    assert "capture.s3_uri: got what looks like a secret; use an S3 URI" in problem
    assert load_fleet(tmp_path)
