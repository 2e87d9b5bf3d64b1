"""A model behind an endpoint, asked in batches: our requests are told by their inference id, paced, and counted."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from watchkeeper.analysis.own_requests import own_inference_id
from watchkeeper.aws.service_failure import error_code, permission_named
from watchkeeper.errors import ModelAnswerError

if TYPE_CHECKING:
    import polars as pl
    from botocore.exceptions import ClientError
    from numpy.typing import NDArray

    from watchkeeper.analysis.model_payload import RequestFormat

#: Serverless endpoints take 4 MB a request, others 6 MB and more.
BATCH_BYTES = 4_000_000
BATCH_ROWS = 2_000
#: With the waits between them, these take a minute: what is not over by then is no hiccup.
ATTEMPTS = 8
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 30.0
_PASSING = frozenset(
    {
        "InternalDependencyException",
        "InternalFailure",
        "ModelNotReadyException",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_PASSING_STATUS = frozenset({408, 429})


@dataclass
class EndpointModel:
    """Asks the model of an endpoint: a frame of features in, an array of rows × labels out.

    ``client`` is boto3's ``sagemaker-runtime``. ``purpose`` and ``run_digest`` make the inference ids, which keep our
    requests out of what is monitored. A request holds at most ``batch_rows`` rows and ``batch_bytes`` bytes; there are
    at most ``requests_per_second``, and in all ``maximum_rows`` rows, where these are given. ``before_request`` is
    told how many requests follow, before they are sent, retries included.
    """

    client: Any
    endpoint_name: str
    request_format: "RequestFormat"
    purpose: str
    run_digest: str
    variant: str | None = None
    target_model: str | None = None
    custom_attributes: str | None = None
    batch_rows: int = BATCH_ROWS
    batch_bytes: int = BATCH_BYTES
    requests_per_second: float | None = None
    maximum_rows: int | None = None
    before_request: Callable[[int], object] = lambda _count: None
    sleep: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic
    request_count: int = field(default=0, init=False)
    row_count: int = field(default=0, init=False)
    _number: int = field(default=0, init=False)
    _free_at: float = field(default=0.0, init=False)

    def __call__(self, frame: "pl.DataFrame") -> "NDArray[Any]":
        """Return the model's numbers for each row, rows × labels.

        Raises
        ------
        ModelAnswerError
            when the model answers with errors after retries, or not one finite number for each row and label, or
            would be asked more rows than it may be.
        PermissionMissingError
            when AWS refuses.
        """
        import numpy as np

        from watchkeeper.analysis.model_payload import decode_answers

        parts = [self._read(decode_answers, body, rows) for body, rows in self.answers(frame)]
        if len({part.shape[1] for part in parts}) > 1:
            found = "answered another number of values a row from request to request"
            raise ModelAnswerError(self.endpoint_name, found, "The model has to answer equally many for each row.")
        return np.concatenate(parts) if parts else np.empty((0, len(self.request_format.label_headers) or 1))

    def labels(self, frame: "pl.DataFrame") -> list[str | None]:
        """Return the model's predicted label for each row, as text; errors as above."""
        from watchkeeper.analysis.model_payload import decode_labels

        return [label for body, rows in self.answers(frame) for label in self._read(decode_labels, body, rows)]

    def answers(self, frame: "pl.DataFrame") -> Iterator[tuple[bytes, int]]:
        """Yield the body of each answer and how many rows were asked, in order.

        The whole frame has to fit under ``maximum_rows``: it is refused before its first request.
        """
        asked = self.row_count + len(frame)
        if self.maximum_rows is not None and asked > self.maximum_rows:
            raise ModelAnswerError(
                self.endpoint_name,
                f"would be asked {asked:,} rows, where maximum_rows is {self.maximum_rows:,}",
                "Explain fewer rows or take fewer samples of each, or raise maximum_rows.",
            )
        self.row_count = asked
        height = 1 if self.request_format.is_single else self.batch_rows
        for start in range(0, len(frame), height):
            yield from self._answers_of(frame[start : start + height])

    def _answers_of(self, batch: "pl.DataFrame") -> Iterator[tuple[bytes, int]]:
        from watchkeeper.analysis.model_payload import encode_batch

        body = encode_batch(batch, self.request_format)
        if len(body) <= self.batch_bytes:
            yield self._ask(body), len(batch)
            return
        if len(batch) == 1:
            found = f"one row takes {len(body):,} bytes, where a request may have {self.batch_bytes:,}"
            raise ModelAnswerError(self.endpoint_name, found, "Such rows cannot be asked.")
        half = len(batch) // 2
        yield from self._answers_of(batch[:half])
        yield from self._answers_of(batch[half:])

    def _read[T](self, decode: "Callable[[bytes, RequestFormat, int], T]", body: bytes, rows: int) -> T:
        try:
            return decode(body, self.request_format, rows)
        except ModelAnswerError as error:
            raise ModelAnswerError(f"{self.endpoint_name}: {error.subject}", error.found, error.remedy) from None

    def _ask(self, body: bytes) -> bytes:
        from botocore import exceptions as failures

        self._number += 1
        request = self._request(body)
        attempt, wait = 1, _FIRST_WAIT_SECONDS
        while True:
            self._take_turn()
            try:
                with permission_named("sagemaker", f"endpoint/{self.endpoint_name}"):
                    answer = self.client.invoke_endpoint(**request)
                self._count_hidden(answer["ResponseMetadata"])
                return bytes(answer["Body"].read())
            except failures.ClientError as error:
                self._count_hidden(error.response.get("ResponseMetadata", {}))
                found, is_passing = _told(error)
            except (failures.ConnectionError, failures.HTTPClientError) as error:
                found, is_passing = f"could not be reached ({type(error).__name__})", True
            if not is_passing or attempt == ATTEMPTS:
                tried = f", {attempt} times" if attempt > 1 else ""
                remedy = f"See the log group /aws/sagemaker/Endpoints/{self.endpoint_name}, and how it is asked."
                # Not chained: a model's own words may quote what it was asked.
                raise ModelAnswerError(self.endpoint_name, f"{found}{tried}", remedy) from None
            self.sleep(wait)
            attempt, wait = attempt + 1, min(2 * wait, _LONGEST_WAIT_SECONDS)

    def _request(self, body: bytes) -> dict[str, Any]:
        request: dict[str, Any] = {
            "EndpointName": self.endpoint_name,
            "Body": body,
            "ContentType": self.request_format.content_type,
            "Accept": self.request_format.accept,
            "InferenceId": own_inference_id(self.purpose, self.run_digest, self._number),
            "TargetVariant": self.variant,
            "TargetModel": self.target_model,
            "CustomAttributes": self.custom_attributes,
        }
        return {name: value for name, value in request.items() if value is not None}

    def _take_turn(self) -> None:
        if self.requests_per_second is not None:
            now = self.clock()
            if now < self._free_at:
                self.sleep(self._free_at - now)
            self._free_at = max(now, self._free_at) + 1 / self.requests_per_second
        self._count(1)

    def _count(self, requests: int) -> None:
        self.before_request(requests)
        self.request_count += requests

    def _count_hidden(self, metadata: Any) -> None:
        """Count what botocore has sent again by itself."""
        if hidden := metadata.get("RetryAttempts", 0):
            self._count(hidden)


def _told(error: "ClientError") -> tuple[str, bool]:
    """Return what was answered, without the model's own words, and whether it may be over soon."""
    code = error_code(error)
    response: dict[str, Any] = dict(error.response)
    if code == "ModelError":
        status = int(response.get("OriginalStatusCode") or 0)
        return (
            f"the model answered with status {status or 'unknown'}",
            not 400 <= status < 500 or status in _PASSING_STATUS,
        )
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    # These name the endpoint, the variant or a limit, and never quote a body.
    words = f": {response['Error'].get('Message', '')}" if code.startswith("Validation") else ""
    return f"InvokeEndpoint was answered with {code} ({status}){words}", (
        code in _PASSING or status >= 500 or status in _PASSING_STATUS
    )
