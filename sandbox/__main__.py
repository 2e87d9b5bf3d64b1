"""The sandbox's command line: ``python -m sandbox serve | deploy | replay | succeed | call | labels | expected``."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Emulated AWS with real traffic.")
    commands = parser.add_subparsers(required=True, metavar="command")

    serve = commands.add_parser("serve", help="serve emulated AWS on 127.0.0.1 until SIGTERM or Ctrl-C")
    serve.add_argument("--port", type=int, default=4566, help="0 takes a free one (default: 4566)")
    serve.add_argument("--ready-file", type=Path, help='written when ready: {"url": …, "pid": …}')
    serve.add_argument("--flush-seconds", type=float, default=5.0, help="age at which live captures are put")
    serve.add_argument("--settle-seconds", type=float, default=2.0, help="how long an endpoint creates or updates")
    serve.add_argument(
        "--wait-scale", type=float, default=0.01, help="seconds that a declared second of a traffic shift takes"
    )
    serve.add_argument(
        "--metric-seconds", type=int, default=2, help="period of the live endpoints' metrics (SageMaker's: 60)"
    )
    serve.set_defaults(run=_serve)

    deploy = commands.add_parser("deploy", help="bucket, topic, queue, models, endpoints, baseline datasets")
    _common(deploy)
    deploy.add_argument(
        "--without-capture", action="append", default=[], metavar="ENDPOINT", help="deploy it without data capture"
    )
    deploy.add_argument("--event-queues", action="store_true", help="make the queues for EventBridge's rules too")
    deploy.set_defaults(run=_deploy)

    replay = commands.add_parser("replay", help="replay days of real traffic in time order, then their labels")
    _common(replay)
    replay.add_argument("--until", type=_moment, default=None, help="ISO 8601; end here, to go on another time")
    replay.add_argument("--without-labels", action="store_true", help="deliver no ground truth")
    replay.add_argument("--live", type=int, default=20, help="invocations over HTTP per endpoint afterwards, now")
    replay.set_defaults(run=_replay)

    succeed = commands.add_parser("succeed", help="bring the scene's second model into service")
    _common(succeed)
    succeed.set_defaults(run=_succeed)

    call = commands.add_parser("call", help="call one of the scene's endpoints, now and steadily")
    _common(call)
    call.add_argument("--endpoint", required=True)
    call.add_argument("--rate", type=float, required=True, help="calls a second")
    call.add_argument("--seconds", type=float, default=600.0, help="how long (default: %(default)s)")
    call.set_defaults(run=_call)

    labels = commands.add_parser("labels", help="deliver the ground truth that was collected up to a moment")
    _common(labels)
    labels.add_argument("--until", type=_moment, default=None, help="ISO 8601 (default: now)")
    labels.set_defaults(run=_labels)

    expected = commands.add_parser("expected", help="print the verdicts that a monitor must reach, as JSON")
    _story(expected)
    expected.add_argument("--before", type=_moment, default=None, help="ISO 8601; the span ends before it")
    expected.set_defaults(run=_expected)
    return parser


def _story(parser: argparse.ArgumentParser) -> None:
    stories = ("data_quality", "retrain", "attribution", "bias", "rollback")
    parser.add_argument("--scene", choices=stories, default=stories[0], help="the demo's scene (default: %(default)s)")


def _common(parser: argparse.ArgumentParser) -> None:
    _story(parser)
    url = os.environ.get("AWS_ENDPOINT_URL")
    parser.add_argument("--url", default=url, required=url is None, help="of the sandbox (or AWS_ENDPOINT_URL)")
    parser.add_argument(
        "--json", action="store_true", help="print the summary as one JSON document, progress on stderr"
    )
    parser.add_argument("--before", type=_moment, default=None, help="ISO 8601; the span ends before it (now)")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _serve(options: argparse.Namespace) -> int:
    from sandbox.aws_server import serve

    serve(
        port=options.port,
        ready_file=options.ready_file,
        flush_seconds=options.flush_seconds,
        settle_seconds=options.settle_seconds,
        wait_scale=options.wait_scale,
        metric_seconds=options.metric_seconds,
    )
    return 0


def _deploy(options: argparse.Namespace) -> int:
    from sandbox.deployment import deploy
    from sandbox.traffic.demo_scenes import STORIES

    scenes, progress = STORIES[options.scene], _progress(options)
    deployed = deploy(
        options.url,
        scenes,
        without_capture=options.without_capture,
        event_queues=options.event_queues,
        progress=progress,
    )
    return _print(options, deployed)


def _replay(options: argparse.Namespace) -> int:
    from sandbox.label_delivery import deliver_labels
    from sandbox.replay import replay
    from sandbox.traffic.demo_scenes import STORIES

    before, scenes, progress = options.before or datetime.now(UTC), STORIES[options.scene], _progress(options)
    summary = replay(options.url, scenes, before=before, until=options.until, live=options.live, progress=progress)
    if not options.without_labels:
        until = options.until or before
        summary["labels"] = deliver_labels(options.url, scenes, before=before, until=until, progress=progress)
    return _print(options, summary)


def _succeed(options: argparse.Namespace) -> int:
    from sandbox.deployment import succeed
    from sandbox.traffic.demo_scenes import STORIES

    return _print(options, succeed(options.url, STORIES[options.scene], progress=_progress(options)))


def _call(options: argparse.Namespace) -> int:
    from sandbox.live_traffic import keep_calling
    from sandbox.traffic.demo_scenes import STORIES

    scenes = {scene.endpoint: scene for scene in STORIES[options.scene]}
    if options.endpoint not in scenes:
        print(f"the scene {options.scene} has no endpoint {options.endpoint!r}: {', '.join(scenes)}", file=sys.stderr)
        return 2
    scene, progress = scenes[options.endpoint], _progress(options)
    return _print(
        options, keep_calling(options.url, scene, rate=options.rate, seconds=options.seconds, progress=progress)
    )


def _labels(options: argparse.Namespace) -> int:
    from sandbox.label_delivery import deliver_labels
    from sandbox.traffic.demo_scenes import STORIES

    now = datetime.now(UTC)
    delivered = deliver_labels(
        options.url,
        STORIES[options.scene],
        before=options.before or now,
        until=options.until or options.before or now,
        progress=_progress(options),
    )
    return _print(options, delivered)


def _expected(options: argparse.Namespace) -> int:
    from sandbox.traffic import attribution_scene, bias_scene, expected_verdicts, retrain_scene, rollback_scene

    as_document = {
        "data_quality": expected_verdicts.as_document,
        "retrain": retrain_scene.as_document,
        "attribution": attribution_scene.as_document,
        "bias": bias_scene.as_document,
        "rollback": rollback_scene.as_document,
    }[options.scene]
    print(json.dumps(as_document(options.before or datetime.now(UTC)), indent=1))
    return 0


def _progress(options: argparse.Namespace) -> Callable[[str], None]:
    stream = sys.stderr if options.json else sys.stdout
    return lambda text: print(text, file=stream, flush=True)


def _print(options: argparse.Namespace, summary: dict[str, object]) -> int:
    if options.json:
        json.dump(summary, sys.stdout, indent=1)
        print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
