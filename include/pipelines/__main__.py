"""Render every pipeline beside its module: ``.venv-sagemaker/bin/python include/pipelines [--check]``.

``--check`` writes nothing and exits with 1 where a rendered definition is not what its module says now.
"""

import argparse
import importlib
import json
import logging
import sys
import warnings
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def definitions() -> dict[str, str]:
    """Return every pipeline's definition by its file's name, as it is committed: indented, in the SDK's key order.

    A pipeline is a module beside this one that has a function ``pipeline``.
    """
    if str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))
    found = {}
    for path in sorted(FOLDER.glob("[!_]*.py")):
        module = importlib.import_module(path.stem)
        if hasattr(module, "pipeline"):
            found[f"{path.stem}.json"] = json.dumps(json.loads(module.pipeline().definition()), indent=1) + "\n"
    return found


def main() -> int:
    """Render or check, and return the exit code."""
    parser = argparse.ArgumentParser(prog="include/pipelines", description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if out of date")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # the SDK tells at length what a pipeline session does
    warnings.simplefilter("ignore")
    outdated = 0
    for name, text in definitions().items():
        path = FOLDER / name
        if options.check and not (path.exists() and path.read_text() == text):
            print(f"{name} is out of date: run `make pipelines` and commit it", file=sys.stderr)
            outdated = 1
            continue
        if not options.check:
            path.write_text(text)
        document = json.loads(text)
        print(f"{name}: {len(document['Steps'])} steps, {len(document['Parameters'])} parameters")
    return outdated


if __name__ == "__main__":
    raise SystemExit(main())
