"""Render every pipeline beside its module: ``.venv-sagemaker/bin/python include/pipelines [--check]``.

``--check`` writes nothing and exits with 1 where a rendered definition is not what its module says now.
"""

import argparse
import json
import logging
import sys
import warnings
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def definition() -> str:
    """Return the retraining pipeline's definition as it is committed: indented, in the SDK's order of keys."""
    import retraining  # beside this file, which Python puts first on its path

    return json.dumps(json.loads(retraining.pipeline().definition()), indent=1) + "\n"


def main() -> int:
    """Render or check, and return the exit code."""
    parser = argparse.ArgumentParser(prog="include/pipelines", description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if out of date")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # the SDK tells at length what a pipeline session does
    warnings.simplefilter("ignore")
    path = FOLDER / "retraining.json"
    text = definition()
    if options.check:
        if not path.exists() or path.read_text() != text:
            print(f"{path.name} is out of date: run `make pipelines` and commit it", file=sys.stderr)
            return 1
    else:
        path.write_text(text)
    print(f"{path.name}: {len(json.loads(text)['Steps'])} steps, {len(json.loads(text)['Parameters'])} parameters")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
