"""The one file that Airflow's plugin loader imports; the package beside it is hidden by .airflowignore.

There is nothing to register yet: operators, hooks and triggers are plain imports from ``watchkeeper``.
"""

from airflow.plugins_manager import AirflowPlugin


class WatchkeeperPlugin(AirflowPlugin):
    """Makes the package's presence visible in Airflow's list of plugins."""

    name = "watchkeeper"
