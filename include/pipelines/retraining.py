"""The retraining pipeline: train on labelled captures, answer those that were held out, register for approval.

Authored with the SageMaker SDK (v3), rendered to ``retraining.json`` by ``make pipelines`` without AWS: whatever
differs between endpoints and accounts is a pipeline parameter. The image named by ``TrainingImage`` trains
(``train``), evaluates (``evaluate``) and serves, as SageMaker's own algorithms do; docs/pipelines.md has its contract.
"""

import os

import boto3

# Importing sagemaker.mlops makes a client, which wants a region and asks an instance for credentials;
# making a trainer would ask IAM about its role.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
os.environ.setdefault("SAGEMAKER_VALIDATE_ROLE", "false")

from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
from sagemaker.core.processing import Processor
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output
from sagemaker.core.training.configs import Compute, InputData, OutputDataConfig, StoppingCondition
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import Parameter, ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow import ModelStep, Pipeline, ProcessingStep, TrainingStep
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer

NAME = "watchkeeper-retraining"
MAXIMUM_SECONDS = 3600
# A trainer takes no parameter for a role, so it is made with this one, which the definition does not contain.
_PLACEHOLDER_ROLE = "arn:aws:iam::000000000000:role/placeholder"

ENDPOINT_ID = ParameterString("EndpointId")
TRAINING_WINDOW_START = ParameterString("TrainingWindowStart")
TRAINING_WINDOW_END = ParameterString("TrainingWindowEnd")
TRAINING_DATA_URI = ParameterString("TrainingDataUri")
EVALUATION_DATA_URI = ParameterString("EvaluationDataUri")
BASELINE_URI = ParameterString("BaselineUri")
MODEL_PACKAGE_GROUP_NAME = ParameterString("ModelPackageGroupName")
MODEL_APPROVAL_STATUS = ParameterString(
    "ModelApprovalStatus", default_value="PendingManualApproval", enum_values=["PendingManualApproval", "Approved"]
)
ROLE_ARN = ParameterString("RoleArn")
INSTANCE_TYPE = ParameterString("InstanceType", default_value="ml.m5.large")
TRAINING_IMAGE = ParameterString("TrainingImage")

PARAMETERS: list[Parameter] = [
    ENDPOINT_ID,
    TRAINING_WINDOW_START,
    TRAINING_WINDOW_END,
    TRAINING_DATA_URI,
    EVALUATION_DATA_URI,
    BASELINE_URI,
    MODEL_PACKAGE_GROUP_NAME,
    MODEL_APPROVAL_STATUS,
    ROLE_ARN,
    INSTANCE_TYPE,
    TRAINING_IMAGE,
]


class _TrainingStep(TrainingStep):
    @property
    def arguments(self) -> dict[str, object]:
        return super().arguments | {"RoleArn": ROLE_ARN}


def pipeline() -> Pipeline:
    """Return the pipeline; nothing is asked of AWS, so the credentials are none."""
    boto = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")  # noqa: S106
    config = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}
    session = PipelineSession(boto_session=boto, default_bucket="none", sagemaker_config=config)
    train = _train(session)
    evaluate = _evaluate(session, train)
    return Pipeline(
        name=NAME,
        parameters=PARAMETERS,
        steps=[train, evaluate, _register(session, train, evaluate)],
        sagemaker_session=session,
        pipeline_experiment_config=None,
    )


def _train(session: PipelineSession) -> TrainingStep:
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=_PLACEHOLDER_ROLE,
        base_job_name=NAME,
        training_image=TRAINING_IMAGE,
        compute=Compute(instance_type=INSTANCE_TYPE, instance_count=1, volume_size_in_gb=30),
        output_data_config=OutputDataConfig(s3_output_path=Join(on="/", values=[BASELINE_URI, "model"])),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=MAXIMUM_SECONDS),
        hyperparameters={"endpoint_id": ENDPOINT_ID},
    )
    arguments = trainer.train(input_data_config=[InputData(channel_name="training", data_source=TRAINING_DATA_URI)])
    return _TrainingStep(name="TrainModel", step_args=arguments)


def _evaluate(session: PipelineSession, train: TrainingStep) -> ProcessingStep:
    processor = Processor(
        sagemaker_session=session,
        role=ROLE_ARN,
        image_uri=TRAINING_IMAGE,
        instance_type=INSTANCE_TYPE,
        instance_count=1,
        entrypoint=["evaluate"],
        max_runtime_in_seconds=MAXIMUM_SECONDS,
        env={"ENDPOINT_ID": ENDPOINT_ID},
    )
    arguments = processor.run(
        inputs=[
            _input("model", train.properties.ModelArtifacts.S3ModelArtifacts),
            _input("training", TRAINING_DATA_URI),
            _input("evaluation", EVALUATION_DATA_URI),
        ],
        outputs=[
            _output("evaluation", Join(on="/", values=[BASELINE_URI, "evaluation"])),
            _output("baseline", BASELINE_URI),
        ],
    )
    return ProcessingStep(name="EvaluateModel", step_args=arguments)


def _input(name: str, uri: object) -> ProcessingInput:
    folder = f"/opt/ml/processing/input/{name}"
    source = ProcessingS3Input(s3_uri=uri, local_path=folder, s3_data_type="S3Prefix", s3_input_mode="File")
    return ProcessingInput(input_name=name, s3_input=source)


def _output(name: str, uri: object) -> ProcessingOutput:
    folder = f"/opt/ml/processing/output/{name}"
    target = ProcessingS3Output(s3_uri=uri, local_path=folder, s3_upload_mode="EndOfJob")
    return ProcessingOutput(output_name=name, s3_output=target)


def _register(session: PipelineSession, train: TrainingStep, evaluate: ProcessingStep) -> ModelStep:
    builder = ModelBuilder(
        sagemaker_session=session,
        role_arn=ROLE_ARN,
        image_uri=TRAINING_IMAGE,
        s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts,
        dependencies={},  # the image serves the artifact as it is: there is no code to upload
    )
    metrics = MetricsSource(
        content_type="application/json", s3_uri=Join(on="/", values=[BASELINE_URI, "evaluation", "evaluation.json"])
    )
    content_types = ["text/csv", "application/json", "application/jsonlines"]
    arguments = builder.register(
        model_package_group_name=MODEL_PACKAGE_GROUP_NAME,
        approval_status=MODEL_APPROVAL_STATUS,
        content_types=content_types,
        response_types=content_types,
        inference_instances=[INSTANCE_TYPE],
        transform_instances=[INSTANCE_TYPE],
        model_metrics=ModelMetrics(model_statistics=metrics),
        customer_metadata_properties={
            "endpoint_id": ENDPOINT_ID,
            "training_data_uri": TRAINING_DATA_URI,
            "training_window_start": TRAINING_WINDOW_START,
            "training_window_end": TRAINING_WINDOW_END,
            "baseline_uri": BASELINE_URI,
        },
    )
    return ModelStep(name="RegisterModel", step_args=arguments, depends_on=[evaluate])
