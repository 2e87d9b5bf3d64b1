#!/bin/sh
# The entry of a processing job in AWS's own scikit-learn image, where an image of your own is not wanted: this folder,
# the job's input `code`, holds the wheels. They are put beside the image's packages, of which none is changed.
set -eu
code=$(cd "$(dirname "$0")" && pwd)
packages=${WATCHKEEPER_PACKAGES:-/tmp/watchkeeper}
python3 -m pip install --quiet --disable-pip-version-check --no-input --no-compile --no-index --no-deps \
  --require-hashes --find-links "$code" --requirement "$code/requirements.txt" --upgrade --target "$packages"
export PYTHONPATH="$packages"
exec "$packages/bin/watchkeeper-analyze" "$@"
