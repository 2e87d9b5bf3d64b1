from datetime import timedelta

import boto3
import pytest
from botocore.exceptions import WaiterError
from botocore.stub import Stubber

from tests.aws.conftest import REGION
from tests.aws.result_samples import HOUR
from tests.aws.test_data_capture import described
from watchkeeper.aws.sagemaker_hook import EndpointHook, LiveEndpoint
from watchkeeper.errors import EndpointStateError


@pytest.fixture
def hook():
    return EndpointHook(aws_conn_id=None, region_name=REGION)


def test_a_live_endpoint_and_its_configuration(hook):
    client = boto3.client("sagemaker", region_name=REGION)
    client.create_model(ModelName="m", ExecutionRoleArn="arn:aws:iam::123456789012:role/r")
    variants = [
        {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"},
    ]
    client.create_endpoint_config(EndpointConfigName="c", ProductionVariants=variants)
    client.create_endpoint(EndpointName="e", EndpointConfigName="c")
    live = hook.require_endpoint("e")
    assert (live.status, live.config_name, live.variants) == ("InService", "c", ("v",))
    config = hook.endpoint_config("c")
    assert "EndpointConfigArn" not in config
    # moto answers a DataCaptureConfig that was never given, and that CreateEndpointConfig would refuse.
    del config["DataCaptureConfig"]
    client.create_endpoint_config(**(config | {"EndpointConfigName": "again"}))


def test_no_such_endpoint_is_none_or_an_error_that_names_the_region(hook):
    assert hook.live_endpoint("nobody") is None
    with pytest.raises(EndpointStateError, match="us-east-1 knows no such endpoint"):
        hook.require_endpoint("nobody")


@pytest.mark.parametrize(
    ("offset_hours", "changed", "config"), [(-5, False, "now"), (0, True, "now"), (1, False, None), (9, False, None)]
)
def test_which_configuration_a_window_had(offset_hours, changed, config):
    modified = HOUR.start + timedelta(hours=offset_hours)
    live = LiveEndpoint("e", "InService", "now", modified, ("v",))
    assert (live.changed_in(HOUR), live.config_in(HOUR)) == (changed, config)


@pytest.mark.parametrize(
    ("answers", "settles"),
    [
        (["Updating", "RollingBack", "InService"], True),
        (["Updating", "Failed"], False),
        (["UpdateRollbackFailed"], False),
        (["OutOfService"], False),
    ],
)
def test_our_waiter_knows_when_an_endpoint_has_settled(hook, answers, settles):
    with Stubber(hook.client) as stub:
        for answer in answers:
            stub.add_response("describe_endpoint", described(answer), {"EndpointName": "flights"})
        waiter = hook.get_waiter("endpoint_settled")
        config = {"Delay": 0, "MaxAttempts": 5}
        if settles:
            waiter.wait(EndpointName="flights", WaiterConfig=config)
        else:
            with pytest.raises(WaiterError, match="terminal failure"):
                waiter.wait(EndpointName="flights", WaiterConfig=config)
        stub.assert_no_pending_responses()
