"""What is read from SageMaker's answers about jobs, what they cost, and the points that are put of them."""

from pathlib import Path

import pytest
from botocore.stub import Stubber

from tests.aws import job_answers as answers
from tests.aws.job_answers import END, EXECUTION, START
from watchkeeper.aws.job_facts import MAXIMUM_METRICS, job_points, read_facts, with_cost
from watchkeeper.aws.job_hook import JobHook
from watchkeeper.errors import JobError, PermissionMissingError
from watchkeeper.registry.price_table import load_prices

INCLUDE = Path(__file__).parents[2] / "include"


@pytest.fixture
def hook(access):
    return access.open(JobHook)


@pytest.mark.parametrize(
    ("job_type", "call", "argument", "name", "answer"),
    [
        ("training_job", "describe_training_job", "TrainingJobName", "flights-train-20261120", answers.training()),
        (
            "tuning_job", "describe_hyper_parameter_tuning_job", "HyperParameterTuningJobName", "flights-hpo",
            answers.tuning(),
        ),
        ("processing_job", "describe_processing_job", "ProcessingJobName", "flights-features", answers.processing()),
        ("transform_job", "describe_transform_job", "TransformJobName", "flights-batch", answers.transform()),
        ("labeling_job", "describe_labeling_job", "LabelingJobName", "delays-2026", answers.labeling()),
    ],
)  # fmt: skip
def test_every_type_is_asked_as_sagemakers_model_has_it(hook, job_type, call, argument, name, answer):
    with Stubber(hook.conn) as stub:
        stub.add_response(call, answer, {argument: name})
        facts = hook.facts(job_type, name)
        stub.assert_no_pending_responses()
    assert (facts.job_type, facts.name) == (job_type, name)
    assert facts.has_ended
    assert (facts.started_at, facts.ended_at, facts.duration_seconds) == (START, END, 1800.0)


def test_a_training_jobs_figures():
    facts = read_facts("training_job", answers.training())
    assert facts.metrics == {"MAE": 3.25, "accuracy": 0.91}
    assert facts.metric_definitions == {"MAE": "mae=([0-9.]+)", "accuracy": "acc=([0-9.]+)"}
    assert (facts.billable_seconds, facts.instance_type, facts.instance_count) == (900.0, "ml.m5.xlarge", 2)
    assert (facts.base_name, facts.outcome, facts.failure_reason) == ("flights-train", "succeeded", None)
    assert "hunter2" not in repr(facts)


def test_a_tuning_job_names_its_best_training_job():
    facts = read_facts("tuning_job", answers.tuning())
    assert facts.best_job == "flights-hpo-003-0a1b2c3d"
    assert (facts.metrics, facts.billable_seconds) == ({"validation:auc": 0.875}, 7200.0)
    assert facts.metric_definitions == {"validation:auc": "auc=(.*)"}


def test_reasons_of_failure_are_told():
    assert read_facts("processing_job", answers.processing()).failure_reason == "AlgorithmError: exit code 1; no rows"
    assert read_facts("labeling_job", answers.labeling()).metrics == {"TotalLabeled": 40.0, "Unlabeled": 2.0}


def test_a_pipelines_failed_steps_are_its_reason(hook):
    steps = [
        {"StepName": "Prepare", "StepStatus": "Succeeded"},
        {"StepName": "Train", "StepStatus": "Failed", "FailureReason": "ClientError: no such image"},
    ]
    with Stubber(hook.conn) as stub:
        stub.add_response("describe_pipeline_execution", answers.execution(), {"PipelineExecutionArn": EXECUTION})
        stub.add_response(
            "list_pipeline_execution_steps",
            {"PipelineExecutionSteps": steps},
            {"PipelineExecutionArn": EXECUTION, "SortOrder": "Ascending"},
        )
        facts = hook.facts("pipeline", EXECUTION)
    assert (facts.name, facts.failure_reason) == ("flights-retraining", "Train: ClientError: no such image")
    assert facts.instances == ()


def test_a_job_that_runs_or_failed_before_it_began():
    running = answers.training("InProgress")
    for name in ("TrainingEndTime", "BillableTimeInSeconds", "FinalMetricDataList"):
        del running[name]
    facts = read_facts("training_job", running)
    assert (facts.has_ended, facts.ended_at, facts.billable_seconds, facts.metrics) == (False, None, None, {})
    begun = answers.training("Failed")
    del begun["TrainingStartTime"], begun["TrainingEndTime"]
    facts = read_facts("training_job", begun)
    assert (facts.outcome, facts.ended_at, facts.duration_seconds) == ("failed", END, 1920.0)


def test_a_cost_is_told_only_where_every_price_is_known():
    prices = load_prices(INCLUDE)
    training = with_cost(read_facts("training_job", answers.training()), prices, "us-east-1")
    hour = prices.hour_usd("training", "ml.m5.xlarge", "us-east-1")
    assert training.cost_usd == pytest.approx(2 * hour / 4)
    tuning = with_cost(read_facts("tuning_job", answers.tuning()), prices, "us-east-1")
    assert tuning.cost_usd == pytest.approx(2 * prices.hour_usd("training", "ml.m5.large", "us-east-1"))
    assert with_cost(read_facts("transform_job", answers.transform()), prices, "us-east-1").cost_usd is None
    assert with_cost(read_facts("training_job", answers.training()), None, "us-east-1").cost_usd is None
    known, unknown = (
        {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        {"InstanceType": "ml.none", "InstanceCount": 3},
    )
    config = {"InstanceGroups": [known, unknown]}
    mixed = read_facts("training_job", answers.training(ResourceConfig=config))
    assert (mixed.instance_type, mixed.instance_count) == ("ml.m5.xlarge + ml.none", 4)
    assert with_cost(mixed, prices, "us-east-1").cost_usd is None, "half a price is no price"


def test_points_are_bounded_and_never_mix_with_ours():
    many = [{"MetricName": f"m{number}", "Value": 1.0} for number in range(30)]
    odd = [
        {"MetricName": "Duration", "Value": 5.0},
        {"MetricName": "loss", "Value": float("nan")},
        {"MetricName": "MAE", "Value": 2.0},
    ]
    facts = read_facts("training_job", answers.training("Failed", FinalMetricDataList=odd))
    points = {point["MetricName"]: point for point in job_points(facts, "flights-train", END)}
    assert {name: point["Value"] for name, point in points.items()} == {
        "Duration": 1800.0,
        "BillableSeconds": 900.0,
        "Failed": 1.0,
        "FinalDuration": 5.0,
        "MAE": 2.0,
    }
    assert points["MAE"]["Dimensions"] == [
        {"Name": "JobType", "Value": "training_job"},
        {"Name": "JobName", "Value": "flights-train"},
    ]
    assert points["MAE"]["Timestamp"] == END
    facts = read_facts("training_job", answers.training(FinalMetricDataList=many))
    assert len(job_points(facts, "x", END)) == MAXIMUM_METRICS + 3


def test_who_is_not_there_or_not_allowed_is_named(hook):
    with Stubber(hook.conn) as stub:
        stub.add_client_error(
            "describe_training_job", "ValidationException", "Requested resource not found.", http_status_code=400
        )
        with pytest.raises(JobError, match="training_job nobody: SageMaker in us-east-1 knows no such job"):
            hook.facts("training_job", "nobody")
        stub.add_client_error("describe_training_job", "AccessDeniedException", "no", http_status_code=400)
        with pytest.raises(PermissionMissingError, match="sagemaker:DescribeTrainingJob"):
            hook.facts("training_job", "theirs")


def test_an_id_follows_from_the_arn():
    facts = read_facts("training_job", answers.training())
    assert facts.job_id == read_facts("training_job", answers.training("Failed")).job_id
    assert facts.job_id != read_facts("tuning_job", answers.tuning()).job_id
