"""A rule that names an alarm wrongly would never act: make check tells."""

from watchkeeper.operators.check_endpoints import endpoint_faults

FILE = """
owner: t
capture: {{s3_uri: "s3://bucket/capture", input_columns: [a], output_columns: [b]}}
infrastructure:
  alarms:
    queue_depth: {{namespace: N, metric: M, statistic: Maximum, threshold_value: 3}}
remediation:
  rules: [{{name: errors, alarms: [{alarms}], do: [notify]}}]
"""


def faults(folder, *alarms):
    (folder / "churn.yaml").write_text(FILE.format(alarms=", ".join(alarms)))
    return endpoint_faults(folder)[1]


def test_a_name_that_nearly_is_a_condition_is_told(tmp_path):
    assert faults(tmp_path, "server_eror", "queue_dept") == (
        "churn.yaml: remediation.rules 'errors': alarms: got 'queue_dept'; did you mean 'queue_depth'?",
        "churn.yaml: remediation.rules 'errors': alarms: got 'server_eror'; did you mean 'server_errors'?",
    )


def test_conditions_and_alarms_of_others_are_taken_as_they_are(tmp_path):
    assert faults(tmp_path, "server_errors", "violations_daily", "incident", "queue_depth", "their-alarm") == ()
