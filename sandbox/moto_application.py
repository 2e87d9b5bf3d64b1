"""Moto as one WSGI application that says 501 to what it does not implement, in the protocol of the caller."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sagemaker.models import sagemaker_backends

from sandbox import code_overlay, pipeline_overlay, registry_overlay, sagemaker_overlay
from sandbox.call_trail import recorded


class NotImplementedHere(ServiceException):
    """The sandbox does not have this operation; botocore does not retry a 501."""

    code = "NotImplemented"


class _UnknownServiceError(Exception):
    """Moto has no such service."""


class _Dispatcher(DomainDispatcherApplication):
    def get_backend_for_host(self, host: str | None) -> Any:
        backend = super().get_backend_for_host(host)
        if backend is None and host is not None:
            raise _UnknownServiceError(host.partition(".")[0])
        return backend


def moto_application(url: str, settle_seconds: float, wait_scale: float) -> Callable[..., Iterable[bytes]]:
    """Return moto with the overlays installed. The state is the process's: call once."""
    sagemaker_backends.backend = pipeline_overlay.PipelineBackend
    registry_overlay.install(url)
    sagemaker_overlay.install(settle_seconds, wait_scale)
    pipeline_overlay.install()
    code_overlay.install(settle_seconds)
    BaseResponse.call_action = _honest(recorded(BaseResponse.call_action))
    dispatcher = _Dispatcher(create_backend_app)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            app = dispatcher.get_application(environ)
        except _UnknownServiceError as error:
            body = json.dumps({"__type": "NotImplemented", "message": f"The sandbox has no service {error}"}).encode()
            start_response("501 Not Implemented", [("Content-Type", "application/json")])
            return [body]
        return app(environ, start_response)

    return application


def _honest(call_action: Any) -> Any:
    def wrapped(self: Any) -> Any:
        try:
            return call_action(self)
        except NotImplementedError as error:
            message = f"The sandbox does not implement this: {error}"
            _status, headers, body = self.serialized(ActionResult(NotImplementedHere(message)))
            return 501, {**headers, "status": "501"}, body

    return wrapped
