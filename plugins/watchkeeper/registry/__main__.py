"""``python -m watchkeeper.registry check|reference|schema``: endpoint files checked and their reference written."""

import argparse
import json
import os
import sys
from pathlib import Path

from watchkeeper.errors import WatchkeeperError
from watchkeeper.registry.deployment_settings import environment_name
from watchkeeper.registry.include_folder import find_include
from watchkeeper.registry.registry_files import load_registry
from watchkeeper.registry.registry_reference import endpoint_schema, write_reference


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0 when all is sound, 1 when faults were printed."""
    parser = argparse.ArgumentParser(prog="python -m watchkeeper.registry", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="print every fault of every endpoint file")
    check.add_argument("--folder", type=Path, help="the endpoint files; default: those of the deployment")
    reference = commands.add_parser("reference", help="write the generated pages and schemas")
    reference.add_argument("--folder", type=Path, default=Path("docs"), help="where to; default: docs")
    commands.add_parser("schema", help="print the JSON Schema of endpoint files")
    options = parser.parse_args(arguments)
    try:
        if options.command == "check":
            return _check(options.folder or _configured_folder())
        if options.command == "schema":
            _say(json.dumps(endpoint_schema(), indent=2, ensure_ascii=False))
            return 0
        return _reference(options.folder)
    except WatchkeeperError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command's answer
        return 1


def _configured_folder() -> Path:
    told = os.environ.get(environment_name("endpoints"), "").strip()
    return Path(told) if told else find_include() / "endpoints"


def _check(folder: Path) -> int:
    registry = load_registry(folder)
    registry.require_sound()
    count = len(registry.endpoints)
    _say(f"{count} endpoint file{' is' if count == 1 else 's are'} sound")
    return 0


def _reference(folder: Path) -> int:
    if not folder.is_dir():
        print(f"{folder}: no such folder; name one that exists", file=sys.stderr)  # noqa: T201
        return 1
    changed = write_reference(folder)
    _say("\n".join(f"wrote {path}" for path in changed) or "the reference is up to date")
    return 0


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a command's answer


if __name__ == "__main__":
    sys.exit(main())
