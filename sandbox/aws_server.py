"""Serving the sandbox: one loopback socket, a ready file, a clean stop on SIGTERM or Ctrl-C."""

import asyncio
import json
import os
import signal
import socket
import urllib.request
from pathlib import Path

from sandbox.aws_client import ACCOUNT

HOST = "127.0.0.1"
# A period's metrics are put by a thread that looks every half second.
_METRIC_DELAY_SECONDS = 1.0


def serve(
    *,
    port: int,
    ready_file: Path | None,
    flush_seconds: float,
    settle_seconds: float,
    wait_scale: float,
    metric_seconds: int,
) -> None:
    """Serve until SIGTERM or SIGINT. Port 0 takes a free one; ``ready_file`` gets ``{"url": …, "pid": …}``."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        message = f"cannot listen on {HOST}:{port}: {error.strerror}; choose another --port, or 0 for a free one"
        raise SystemExit(message) from None
    bound = listener.getsockname()[1]
    _configure_emulators(bound)
    try:
        url = f"http://{HOST}:{bound}"
        asyncio.run(_serve(listener, url, ready_file, flush_seconds, settle_seconds, wait_scale, metric_seconds))
    finally:
        if ready_file:
            ready_file.unlink(missing_ok=True)


def _configure_emulators(port: int) -> None:
    # Both read these when imported. Loopback only, one account, no listeners of their own, nothing kept on disk.
    os.environ.update(
        {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(port),
            "MOTO_PORT": str(port),
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_HOST": HOST,
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "MINISTACK_WORKER_THREADS": "16",
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
            "MOTO_ALLOW_NONEXISTENT_REGION": "true",
        }
    )
    for name in ("PERSIST_STATE", "S3_PERSIST", "AUTH", "SERVICES", "AWS_ENDPOINT_URL"):
        os.environ.pop(name, None)


async def _serve(
    listener: socket.socket,
    url: str,
    ready_file: Path | None,
    flush_seconds: float,
    settle_seconds: float,
    wait_scale: float,
    metric_seconds: int,
) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.app import app as ministack

    from sandbox import log_patterns
    from sandbox.alarm_overlay import AlarmClock
    from sandbox.code_overlay import code_states
    from sandbox.live_endpoints import LiveEndpoints
    from sandbox.moto_application import moto_application
    from sandbox.platform_clock import PlatformClock, sagemaker_states, tell_of_endpoints
    from sandbox.request_router import RequestRouter
    from sandbox.scaling_overlay import VariantScaling

    alarms, scaling = AlarmClock(metric_seconds + _METRIC_DELAY_SECONDS), VariantScaling()
    alarms.install()
    log_patterns.install()
    scaling.install()
    endpoints = LiveEndpoints(url, flush_seconds, metric_seconds)
    router = RequestRouter(ministack, moto_application(url, settle_seconds, wait_scale), endpoints)
    clock = PlatformClock([alarms.tick, scaling.tick, tell_of_endpoints], [sagemaker_states, code_states])
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.accesslog = None
    config.loglevel = "WARNING"
    config.keep_alive_timeout = 75
    config.graceful_timeout = 3
    stop, closing = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = asyncio.create_task(hypercorn_serve(router, config, shutdown_trigger=closing.wait))  # type: ignore[arg-type]
    await _until_ready(server, url)
    endpoints.start()
    clock.start()
    if ready_file:
        partial = ready_file.with_suffix(".part")
        partial.write_text(json.dumps({"url": url, "pid": os.getpid()}))
        partial.rename(ready_file)
    print(f"sandbox ready at {url}", flush=True)
    await asyncio.wait((asyncio.create_task(stop.wait()), server), return_when=asyncio.FIRST_COMPLETED)
    await loop.run_in_executor(None, clock.stop)
    await loop.run_in_executor(None, endpoints.stop)  # puts the last captures while S3 still answers
    closing.set()
    await server


async def _until_ready(server: asyncio.Task[None], url: str) -> None:
    """Return when the port answers: the emulators have started by then. Raises what stopped the server."""
    loop = asyncio.get_running_loop()
    while not server.done():
        if await loop.run_in_executor(None, _answers, f"{url}/_sandbox/health"):
            return
        await asyncio.sleep(0.05)
    await server


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - our own loopback address
            return bool(response.status == 200)
    except OSError:
        return False
