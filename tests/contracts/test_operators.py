"""Every operator follows the conventions that Airflow readers rely on."""

import importlib
import inspect
import pkgutil
import re

import pytest

from tests import airflow_home  # noqa: F401 - first of all: it gives Airflow a home

ARGUMENTS = {
    "ActOnIncidentOperator": {"endpoint": "flights", "incident_id": "i"},
    "AnalyzeWindowOperator": {"work": {"flights": ["20261120T05-20261120T06"]}},
    "ApplicationAutoScalingPutPolicyOperator": {"endpoint_name": "e", "policy_name": "p", "configuration": {}},
    "ApplicationAutoScalingRegisterVariantOperator": {"endpoint_name": "e", "minimum": 1, "maximum": 2},
    "ApplyInfrastructureOperator": {"plan": "p", "scopes": ["flights"]},
    "ApproveAttemptOperator": {"endpoint": "flights", "attempt_id": "a", "stage": "training"},
    "ApproveIncidentOperator": {"endpoint": "flights", "incident_id": "i"},
    "ApproveRollBackOperator": {"endpoint": "flights", "attempt_id": "a", "reason": "r"},
    "AttemptStepOperator": {"endpoint": "flights", "attempt_id": "a"},
    "AwaitedRunOperator": {},
    "BuildBaselineOperator": {"endpoint": "flights"},
    "ChooseBaselinesOperator": {},
    "ChooseCapturesOperator": {},
    "CloudWatchAlarmStateSensor": {"alarm_names": ["a"]},
    "CloudWatchDeleteAlarmsOperator": {"alarm_names": ["a"]},
    "CloudWatchDeleteDashboardsOperator": {"dashboard_names": ["d"]},
    "CloudWatchGetMetricDataOperator": {"metric_data_queries": [], "start_time": "s", "end_time": "e"},
    "CloudWatchLogErrorScanOperator": {"log_group": "g", "start_time": "s", "end_time": "e"},
    "CloudWatchLogsInsightsQueryOperator": {"log_groups": ["g"], "query": "q", "start_time": "s", "end_time": "e"},
    "CloudWatchPutCompositeAlarmOperator": {"alarm": {}},
    "CloudWatchPutDashboardOperator": {"dashboard_name": "d", "dashboard_body": {}},
    "CloudWatchPutMetricAlarmOperator": {"alarm": {}},
    "ChooseDefinitionsOperator": {"attempts": [], "interpreter": "/opt/sagemaker/bin/python"},
    "CloudWatchPutMetricDataOperator": {"namespace": "N", "metric_data": []},
    "CloudWatchPutMetricFilterOperator": {"metric_filter": {}},
    "CloudWatchPutRetentionPolicyOperator": {"log_group": "g", "retention_days": 30},
    "CloudWatchSetAlarmStateOperator": {"alarm_name": "a", "state": "OK", "reason": "r"},
    "CodeBuildStartBuildOperator": {"project": "p"},
    "CodePipelineStartExecutionOperator": {"pipeline": "p"},
    "CompactLedgerOperator": {},
    "CompareModelsOperator": {"endpoint": "flights", "attempt_id": "a"},
    "DecideRemediationOperator": {},
    "DecideRetrainingOperator": {},
    "DecideRollBackOperator": {},
    "DrainAlarmsOperator": {},
    "DueEndpointsOperator": {"period": "hourly"},
    "DueLabelsOperator": {},
    "EnableDataCaptureOperator": {"endpoint": "flights"},
    "EventBridgePutTargetsOperator": {"rule": "r", "targets": []},
    "ExpireDataOperator": {},
    "ExportMetricsOperator": {"endpoint": "e", "window_start": "s", "window_end": "t"},
    "HeartbeatOperator": {"dag_name": "d"},
    "IncidentStepOperator": {"endpoint": "flights", "incident_id": "i"},
    "MergeGroundTruthOperator": {"endpoints": ["flights"]},
    "ModelChangeOperator": {"endpoint": "flights"},
    "MonitorOperator": {},
    "PlanInfrastructureOperator": {},
    "PrepareTablesOperator": {"endpoint": "flights", "attempt_id": "a"},
    "PromoteModelOperator": {"endpoint": "flights"},
    "PublishFindingsOperator": {"endpoint": "e", "window_start": "s", "window_end": "t"},
    "PublishMergesOperator": {},
    "PublishReportOperator": {"period": "daily"},
    "PutMonitorMetricsOperator": {"endpoint": "e", "window_start": "s", "window_end": "t"},
    "RecordJobOperator": {"job_name": "flights-train"},
    "RenewBaselinesOperator": {"endpoint": "flights", "attempt_id": "a"},
    "ReportAttemptsOperator": {},
    "ReportCostsOperator": {},
    "ReportEventsOperator": {},
    "ReportIncidentsOperator": {},
    "ReportInfrastructureOperator": {},
    "RipeWindowsOperator": {"monitors": ["model_quality"]},
    "RollBackModelOperator": {"endpoint": "flights"},
    "RunRetrainingPipelineOperator": {"endpoint": "flights", "attempt_id": "a"},
    "ScanEndpointLogsOperator": {},
    "ServiceOperator": {},
    "StartDagOperator": {"trigger_dag_id": "retrain"},
    "SweepLeftoversOperator": {},
    "VerifyIncidentOperator": {"endpoint": "flights", "incident_id": "i"},
    "SilenceAlertsOperator": {},
    "VerifyRunOperator": {},
    "WaitForCaptureSensor": {},
    "WorkOffEventsOperator": {},
}


def operators():
    from airflow.sdk import BaseOperator

    import watchkeeper.operators

    found = {}
    for module in pkgutil.iter_modules(watchkeeper.operators.__path__, "watchkeeper.operators."):
        for name, item in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(item, BaseOperator) and item.__module__ == module.name:
                found |= {name: item}
    return found


def test_every_operator_is_tried():
    assert set(operators()) == set(ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_operator_is_built_from_keywords_and_has_its_template_fields(name):
    operator = operators()[name](task_id="t", **ARGUMENTS[name])
    for field in operator.template_fields:
        assert hasattr(operator, field), field
    signature = inspect.signature(operators()[name].__init__)
    own = [parameter for parameter in signature.parameters.values() if parameter.name not in {"self", "kwargs"}]
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in own)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_argument_is_documented(name):
    cls = operators()[name]
    own = {
        parameter
        for parameter in inspect.signature(cls.__init__).parameters
        if parameter not in {"self", "kwargs"} and "__init__" in vars(cls)
    }
    documented = set(re.findall(r":param (\w+):", inspect.getdoc(cls) or ""))
    assert own <= documented


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_templated_arguments_say_so(name):
    cls = operators()[name]
    text = inspect.getdoc(cls) or ""
    for field in cls.template_fields:
        entry = re.search(rf":param {field}:(.*?)(?=:param |\Z)", text, re.DOTALL)
        if entry and field != "verify":
            assert "(templated)" in entry.group(1), field


def test_mapped_instances_have_a_name_whatever_they_carry():
    analyze = operators()["AnalyzeWindowOperator"]
    assert analyze(task_id="t", work={"b": [], "a": [], "c": []}).label == "b and 2 more data_quality"
    assert analyze(task_id="t", monitor="bias", work={"b": []}).label == "b bias"
    assert analyze(task_id="t", endpoint="x", window_start="s", window_end="e").label == "x data_quality"
    assert analyze(task_id="t", work={}).label == ""
    merge = operators()["MergeGroundTruthOperator"]
    assert merge(task_id="t", endpoints=["b", "a", "c"]).label == "b and 2 more"
    assert merge(task_id="t", endpoints=["b"]).label == "b"
    assert merge(task_id="t", endpoints=[]).label == ""
