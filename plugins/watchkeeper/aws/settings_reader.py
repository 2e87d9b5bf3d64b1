"""Reads the deployment's settings where code runs: in tasks, and in the triggerer."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchkeeper.registry.deployment_settings import DeploymentSettings


def read_settings() -> "DeploymentSettings":
    """Return the deployment's settings: environment variables, else Airflow Variables. Never while a DAG is parsed."""
    from airflow.sdk import Variable

    from watchkeeper.registry.deployment_settings import DeploymentSettings, environment_name, variable_name

    values = dict(os.environ)
    for field in DeploymentSettings.variables():
        if environment_name(field) not in values:
            value = Variable.get(variable_name(field), default=None)
            if value is not None:
                values[variable_name(field)] = value
    return DeploymentSettings.from_mapping(values)
