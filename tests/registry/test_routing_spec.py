"""The routing section of the fleet's file: what is refused, and how it is told."""

import pytest

from watchkeeper.errors import RegistryError
from watchkeeper.registry.fleet_file import load_fleet

WHOLE = """
routing:
  channels:
    flight-ops: {sns: {topic_arn: "arn:aws:sns:us-east-1:123456789012:flight-ops"}}
    slack: {slack: {channel: "#models"}}
    pager: {pagerduty: {}}
  routes:
    - match: {severity: [critical], tags: {tier: gold}}
      channels: [pager, slack]
      go_on: true
    - match: {owner: ["flight-*"]}
      channels: [flight-ops]
  silences:
    - match: {endpoint: [churn]}
      until: 2026-12-01T08:00:00+01:00
      reason: the warehouse is moved
      author: ana
  reminder_hours:
  export: {conn_id: otlp_default}
"""


def load(tmp_path, text):
    (tmp_path / "fleet.yaml").write_text(text)
    return load_fleet(tmp_path).routing


def test_a_whole_section_is_read(tmp_path):
    routing = load(tmp_path, WHOLE)
    assert routing.channels["slack"].slack.conn_id == "slack_api_default"
    assert routing.routes[0].go_on
    assert routing.silences[0].until.isoformat() == "2026-12-01T07:00:00+00:00"
    assert routing.reminder_hours is None
    assert routing.channels["pager"].provider == "apache-airflow-providers-pagerduty"


def test_nothing_said_means_one_topic_and_a_reminder_a_day(tmp_path):
    routing = load(tmp_path, "routing:\n")
    assert (routing.routes, routing.reminder_hours, routing.export) == ((), 24, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("channels: {a: {}}", "routing.channels.a: got nothing; give one of sns, slack or pagerduty"),
        ("channels: {a: {slack: {channel: c}, pagerduty: {}}}", "got slack and pagerduty; give one of"),
        ("routes: [{channels: [ops]}]", "got the channel 'ops'; declared in channels are none"),
        (
            'silences: [{match: {}, until: "2026-12-01T00:00Z", reason: r, author: a}]',
            'match: got nothing; name what is to be silent, endpoint: ["*"]',
        ),
        ("silences: [{match: {endpoint: [a]}, reason: r, author: a}]", "until: missing; add it: when it ends"),
        ("silences: [{match: {endpoint: [a]}, until: 2026-12-01 00:00:00, reason: r, author: a}]", "without an offset"),
        ("silences: [{match: {endpoint: [a]}, until: never, reason: r, author: a}]", "expected an ISO 8601 time"),
        ("routes: [{match: {severty: [info]}, channels: [a]}]", "did you mean 'severity'?"),
        ("reminder_hours: 0", "routing.reminder_hours: got 0; use more than 0"),
    ],
)
def test_what_is_wrong_is_told_with_its_remedy(tmp_path, text, told):
    with pytest.raises(RegistryError) as error:
        load(tmp_path, f"routing:\n  {text}\n")
    assert told in str(error.value)
