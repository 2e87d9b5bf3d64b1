"""Asking a model over InvokeEndpoint: batches, pace, retries, counts. The service is stubbed in botocore."""

import io
import traceback
from dataclasses import dataclass, field

import boto3
import polars as pl
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from tests.aws.conftest import REGION
from watchkeeper.analysis.model_payload import JSON, JSON_LINES, RequestFormat
from watchkeeper.analysis.own_requests import is_own
from watchkeeper.aws.model_requests import ATTEMPTS, EndpointModel
from watchkeeper.errors import ModelAnswerError, PermissionMissingError

SECRET = "secret"


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def client():
    return boto3.client("sagemaker-runtime", region_name=REGION)


@pytest.fixture
def stub(client):
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def model(client, moment=None, request_format=None, **more):
    moment = moment or Time()
    return EndpointModel(
        client, "flights", request_format or RequestFormat(), "attribution", "0123456789ab",
        sleep=moment.sleep, clock=lambda: moment.now, **more
    )  # fmt: skip


def answer(stub, body, expected=None, repeated=0):
    metadata = {"HTTPStatusCode": 200, "RetryAttempts": repeated}
    parts = {"Body": StreamingBody(io.BytesIO(body), len(body)), "ResponseMetadata": metadata}
    stub.add_response("invoke_endpoint", parts, expected)


def refuse(stub, code, status, message="", **more):
    stub.add_client_error("invoke_endpoint", code, message, http_status_code=status, modeled_fields=more or None)


def asked(body, number, **more):
    return {
        "EndpointName": "flights",
        "Body": body,
        "ContentType": "text/csv",
        "Accept": "text/csv",
        "InferenceId": f"watchkeeper-attribution-0123456789ab-{number}",
    } | more


def test_a_frame_goes_in_batches_and_comes_back_in_order(client, stub):
    told = []
    answer(stub, b"0.1\n0.2\n", asked(b"1\n2\n", 1, TargetVariant="Blue"))
    answer(stub, b"0.3\n", asked(b"3\n", 2, TargetVariant="Blue"))
    answer(stub, b"0.4\n", asked(b"4\n", 3, TargetVariant="Blue"))
    asking = model(client, batch_rows=2, variant="Blue", before_request=told.append)
    assert asking(pl.DataFrame({"a": [1, 2, 3]})).tolist() == [[0.1], [0.2], [0.3]]
    assert asking(pl.DataFrame({"a": [4]})).tolist() == [[0.4]]
    assert (asking.request_count, asking.row_count, told) == (3, 4, [1, 1, 1])
    assert asking(pl.DataFrame({"a": []}, schema={"a": pl.Int64})).shape == (0, 1)


def test_formats_model_of_several_and_custom_attributes_are_passed_on(client, stub):
    form = RequestFormat(JSON, JSON_LINES, "$record", "$features_kvp", label="s", label_headers=("n", "y"))
    wanted = {
        "EndpointName": "flights",
        "ContentType": "application/json",
        "Accept": "application/jsonlines",
        "InferenceId": ANY,
        "TargetModel": "a.tar.gz",
        "CustomAttributes": "x=1",
    }
    answer(stub, b'{"s":[0.5,0.5]}', wanted | {"Body": b'{"a":1}'})
    answer(stub, b'{"s":[0.25,0.75]}', wanted | {"Body": b'{"a":2}'})
    asking = model(client, request_format=form, target_model="a.tar.gz", custom_attributes="x=1")
    assert asking(pl.DataFrame({"a": [1, 2]})).tolist() == [[0.5, 0.5], [0.25, 0.75]]


def test_labels_as_text(client, stub):
    answer(stub, b"yes,0.7\nno,0.1\n")
    form = RequestFormat(label="0", probability="1")
    assert model(client, request_format=form).labels(pl.DataFrame({"a": [1, 2]})) == ["yes", "no"]


def test_requests_stay_below_the_ceiling_of_bytes(client, stub):
    sizes = []

    def note(params, **_event):
        sizes.append(len(params["Body"]))

    client.meta.events.register("before-parameter-build.sagemaker-runtime.InvokeEndpoint", note)
    rows = [1, 22, 333, 4444, 55555, 1, 2, 3]
    frame = pl.DataFrame({"a": rows})
    for count in (2, 1, 1, 2, 2):
        answer(stub, b"0\n" * count)
    assert model(client, batch_bytes=8)(frame).shape == (8, 1)
    assert max(sizes) <= 8
    with pytest.raises(ModelAnswerError, match="flights: one row takes 10 bytes, where a request may have 8"):
        model(client, batch_bytes=8)(pl.DataFrame({"a": ["x" * 9]}))


@pytest.mark.parametrize(
    ("code", "status", "more"),
    [
        ("ThrottlingException", 400, {}),
        ("ModelNotReadyException", 429, {}),
        ("ServiceUnavailable", 503, {}),
        ("InternalFailure", 500, {}),
        ("ModelError", 424, {"OriginalStatusCode": 503, "OriginalMessage": SECRET}),
    ],
)
def test_what_passes_is_tried_again_with_growing_waits(client, stub, code, status, more):
    moment, told = Time(), []
    for _ in range(3):
        refuse(stub, code, status, **more)
    answer(stub, b"0.5\n", asked(b"1\n", 1))
    asking = model(client, moment, before_request=told.append)
    assert asking(pl.DataFrame({"a": [1]})).tolist() == [[0.5]]
    assert moment.slept == [0.5, 1.0, 2.0]
    assert asking.request_count == len(told) == 4


def test_what_does_not_pass_is_given_up_after_a_minute_naming_endpoint_and_status(client, stub):
    moment = Time()
    for _ in range(ATTEMPTS):
        refuse(stub, "ModelError", 424, f"Received server error with message {SECRET}",
               OriginalStatusCode=500, OriginalMessage=SECRET)  # fmt: skip
    with pytest.raises(ModelAnswerError) as caught:
        model(client, moment)(pl.DataFrame({"a": [1]}))
    assert caught.value.subject == "flights"
    assert caught.value.found == "the model answered with status 500, 8 times"
    assert "/aws/sagemaker/Endpoints/flights" in caught.value.remedy
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert 45 < sum(moment.slept) < 90


def test_a_request_that_the_model_cannot_read_is_not_repeated(client, stub):
    refuse(stub, "ModelError", 424, SECRET, OriginalStatusCode=415, OriginalMessage=SECRET)
    with pytest.raises(ModelAnswerError, match=r"the model answered with status 415\. See") as caught:
        model(client)(pl.DataFrame({"a": [1]}))
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_an_unknown_variant_is_told_as_sagemaker_says_it(client, stub):
    refuse(stub, "ValidationError", 400, "Variant Green not found for Request")
    with pytest.raises(ModelAnswerError, match=r"ValidationError \(400\): Variant Green not found"):
        model(client, variant="Green")(pl.DataFrame({"a": [1]}))


def test_a_refusal_names_the_permission(client, stub):
    refuse(stub, "AccessDeniedException", 403)
    with pytest.raises(PermissionMissingError, match="Allow sagemaker:InvokeEndpoint on endpoint/flights"):
        model(client)(pl.DataFrame({"a": [1]}))


def test_a_lost_connection_is_tried_again(client, stub):
    answer(stub, b"0.5\n")
    failures = [ReadTimeoutError(endpoint_url="https://x", error="timed out")]

    def fail_once(**_event):
        if failures:
            raise failures.pop()

    client.meta.events.register("before-parameter-build.sagemaker-runtime.InvokeEndpoint", fail_once)
    asking = model(client)
    assert asking(pl.DataFrame({"a": [1]})).tolist() == [[0.5]]
    assert asking.request_count == 2


def test_requests_that_botocore_repeats_are_counted(client, stub):
    told = []
    answer(stub, b"0.5\n", repeated=2)
    asking = model(client, before_request=told.append)
    asking(pl.DataFrame({"a": [1]}))
    assert asking.request_count == sum(told) == 3


def test_the_pace_is_kept_by_waiting_also_for_retries(client, stub):
    moment = Time()
    for body in (b"1\n", b"2\n"):
        answer(stub, body)
    refuse(stub, "ThrottlingException", 400)
    answer(stub, b"3\n")
    model(client, moment, batch_rows=1, requests_per_second=4)(pl.DataFrame({"a": [1, 2, 3]}))
    # Four requests a quarter of a second apart; the wait of the retry is longer than its turn.
    assert moment.slept == [0.25, 0.25, 0.5]


def test_more_rows_than_allowed_are_not_asked(client, stub):
    answer(stub, b"1\n2\n")
    asking = model(client, maximum_rows=3)
    asking(pl.DataFrame({"a": [1, 2]}))
    with pytest.raises(ModelAnswerError, match="would be asked 4 rows, where maximum_rows is 3"):
        asking(pl.DataFrame({"a": [1, 2]}))
    assert asking.row_count == 2


def test_answers_that_change_their_width_are_an_error(client, stub):
    answer(stub, b"1,2\n")
    answer(stub, b"1\n")
    with pytest.raises(ModelAnswerError, match="another number of values a row"):
        model(client, batch_rows=1)(pl.DataFrame({"a": [1, 2]}))


def test_an_answer_that_does_not_fit_names_the_endpoint(client, stub):
    answer(stub, b"nan\n")
    with pytest.raises(ModelAnswerError, match="flights: the model's answer: 1 of 1 numbers are NaN") as caught:
        model(client)(pl.DataFrame({"a": [1]}))
    assert caught.value.__cause__ is None


def test_every_id_is_one_of_ours():
    assert is_own(asked(b"", 1)["InferenceId"])
