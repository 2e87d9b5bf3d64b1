#!/bin/bash
# Amazon MWAA reads this file with `source` in every container before it installs anything, and hands on to Airflow
# whatever it exports. So nothing here leaves the shell or sets its options, and nothing that fails stops a container.

@EXPORTS@

# Makes the SageMaker SDK's own interpreter at WATCHKEEPER_SAGEMAKER_PYTHON: it cannot share Airflow's environment.
# MWAA ends this script after 5 minutes and the container with it, so no more than @SECONDS@ s are taken.
watchkeeper_make_interpreter() {
  local folder=${WATCHKEEPER_SAGEMAKER_PYTHON%/bin/python} begun=$SECONDS
  if timeout --kill-after=5 @SECONDS@ bash -s "$folder" <<'INSTALL'
set -eu
unset PIP_USER
python3 -m venv --clear "$1"
cat >"$1/pins.txt" <<'PINS'
@PINS@
PINS
# Nothing is resolved: the pins are complete. What is imported is compiled then.
"$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-compile --no-deps -r "$1/pins.txt"
INSTALL
  then
    echo "watchkeeper: the SageMaker SDK's interpreter was made in $((SECONDS - begun)) s: $WATCHKEEPER_SAGEMAKER_PYTHON"
  else
    # Airflow's own interpreter stands in, which has no SDK: the task choose_definitions sees that, and says so.
    rm -rf "$folder"
    mkdir -p "$folder/bin"
    ln -s "$(command -v python3)" "$WATCHKEEPER_SAGEMAKER_PYTHON"
    echo "watchkeeper: ERROR: the SageMaker SDK's interpreter was not made in $((SECONDS - begun)) s (the reason is" \
      "above); the pipeline definitions that are shipped serve"
  fi
}

if [ -n "${WATCHKEEPER_SAGEMAKER_PYTHON:-}" ]; then
  case "${MWAA_AIRFLOW_COMPONENT:-}" in
    worker | hybrid) watchkeeper_make_interpreter ;;
  esac
fi
