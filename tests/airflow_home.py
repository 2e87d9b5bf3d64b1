"""An Airflow home of this test process's own: import before anything imports airflow."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def prepare() -> Path:
    """Point Airflow at a new, empty home; return it. Does nothing the second time."""
    # By process: a worker of pytest-xdist inherits the environment, and must not share the database.
    if os.environ.get("WATCHKEEPER_TEST_HOME_OF") == str(os.getpid()):
        return Path(os.environ["AIRFLOW_HOME"])
    if "airflow" in sys.modules:
        message = "airflow was imported before its home was prepared; import tests.airflow_home first"
        raise RuntimeError(message)
    home = Path(tempfile.mkdtemp(prefix="watchkeeper-airflow-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]
    os.environ |= {
        "WATCHKEEPER_TEST_HOME_OF": str(os.getpid()),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
    }
    return home


prepare()
