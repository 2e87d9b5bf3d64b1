"""What SageMaker answers about jobs, as its model has it."""

from datetime import UTC, datetime, timedelta
from typing import Any

ACCOUNT_ARN = "arn:aws:sagemaker:us-east-1:123456789012"
START = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
END = START + timedelta(minutes=30)


def training(status: str = "Completed", **more: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": "flights-train-20261120",
        "TrainingJobArn": f"{ACCOUNT_ARN}:training-job/flights-train-20261120",
        "ModelArtifacts": {"S3ModelArtifacts": "s3://bucket/model.tar.gz"},
        "TrainingJobStatus": status,
        "SecondaryStatus": "Completed",
        "HyperParameters": {"password": "hunter2"},
        "AlgorithmSpecification": {
            "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1",
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": "MAE", "Regex": "mae=([0-9.]+)"},
                {"Name": "accuracy", "Regex": "acc=([0-9.]+)"},
            ],
        },
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "CreationTime": START - timedelta(minutes=2),
        "TrainingStartTime": START,
        "TrainingEndTime": END,
        "LastModifiedTime": END,
        "TrainingTimeInSeconds": 1800,
        "BillableTimeInSeconds": 900,
        "FinalMetricDataList": [
            {"MetricName": "MAE", "Value": 3.25, "Timestamp": END},
            {"MetricName": "accuracy", "Value": 0.91, "Timestamp": END},
        ],
    } | more


def tuning(status: str = "Completed") -> dict[str, Any]:
    definition = {
        "AlgorithmSpecification": {
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "validation:auc", "Regex": "auc=(.*)"}],
        },
        "RoleArn": "arn:aws:iam::123456789012:role/training",
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    best = {
        "TrainingJobName": "flights-hpo-003-0a1b2c3d",
        "TrainingJobArn": f"{ACCOUNT_ARN}:training-job/flights-hpo-003-0a1b2c3d",
        "CreationTime": START,
        "TrainingJobStatus": "Completed",
        "TunedHyperParameters": {"depth": "7"},
        "FinalHyperParameterTuningJobObjectiveMetric": {"MetricName": "validation:auc", "Value": 0.875},
    }
    return {
        "HyperParameterTuningJobName": "flights-hpo",
        "HyperParameterTuningJobArn": f"{ACCOUNT_ARN}:hyper-parameter-tuning-job/flights-hpo",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "ResourceLimits": {"MaxParallelTrainingJobs": 2},
        },
        "TrainingJobDefinition": definition,
        "HyperParameterTuningJobStatus": status,
        "CreationTime": START,
        "HyperParameterTuningEndTime": END,
        "TrainingJobStatusCounters": {"Completed": 4},
        "ObjectiveStatusCounters": {"Succeeded": 4},
        "BestTrainingJob": best,
        "ConsumedResources": {"RuntimeInSeconds": 7200},
    }


def processing(status: str = "Failed") -> dict[str, Any]:
    return {
        "ProcessingJobName": "flights-features",
        "ProcessingJobArn": f"{ACCOUNT_ARN}:processing-job/flights-features",
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}
        },
        "AppSpecification": {"ImageUri": "image"},
        "ProcessingJobStatus": status,
        "ExitMessage": "no  rows",
        "FailureReason": "AlgorithmError: exit code 1",
        "CreationTime": START,
        "ProcessingStartTime": START,
        "ProcessingEndTime": END,
    }


def transform(status: str = "Completed") -> dict[str, Any]:
    return {
        "TransformJobName": "flights-batch",
        "TransformJobArn": f"{ACCOUNT_ARN}:transform-job/flights-batch",
        "TransformJobStatus": status,
        "ModelName": "flights-7",
        "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in"}}},
        "TransformResources": {"InstanceType": "ml.unheard.of", "InstanceCount": 1},
        "CreationTime": START,
        "TransformStartTime": START,
        "TransformEndTime": END,
    }


def labeling(status: str = "Completed") -> dict[str, Any]:
    return {
        "LabelingJobName": "delays-2026",
        "LabelingJobArn": f"{ACCOUNT_ARN}:labeling-job/delays-2026",
        "LabelingJobStatus": status,
        "LabelCounters": {"TotalLabeled": 40, "Unlabeled": 2},
        "CreationTime": START,
        "LastModifiedTime": END,
        "JobReferenceCode": "r",
        "InputConfig": {"DataSource": {}},
        "OutputConfig": {"S3OutputPath": "s3://bucket/labels"},
        "RoleArn": "arn:aws:iam::123456789012:role/labels",
        "HumanTaskConfig": {
            "WorkteamArn": f"{ACCOUNT_ARN}:workteam/w",
            "UiConfig": {},
            "TaskTitle": "t",
            "TaskDescription": "d",
            "NumberOfHumanWorkersPerDataObject": 1,
            "TaskTimeLimitInSeconds": 600,
        },
    }


EXECUTION = f"{ACCOUNT_ARN}:pipeline/flights-retraining/execution/k3v9q1x7m2ab"


def execution(status: str = "Failed") -> dict[str, Any]:
    return {
        "PipelineArn": f"{ACCOUNT_ARN}:pipeline/flights-retraining",
        "PipelineExecutionArn": EXECUTION,
        "PipelineExecutionStatus": status,
        "CreationTime": START,
        "LastModifiedTime": END,
    }
