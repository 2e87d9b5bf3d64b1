"""Airflow's own plugin loader over plugins/: one plugin, nothing else imported under its bare stem."""

import json
import os
import subprocess
import sys
from collections import Counter
from importlib.metadata import packages_distributions

from tests import airflow_home

DUNDERS = {"__init__", "__main__"}
PLUGINS = airflow_home.REPOSITORY / "plugins"
LOAD = """
import json, statistics, sys
before = statistics.__file__
from airflow import plugins_manager
found = plugins_manager._get_plugins()
plugins, errors = found if isinstance(found, tuple) else (found, {})
own = [plugin.name for plugin in plugins if plugin.name and "watchkeeper" in str(plugin.name)]
print(json.dumps({"own": own, "errors": errors, "statistics": sys.modules["statistics"].__file__ == before,
                  "stray": sorted(n for n in sys.modules if n in set(sys.argv[1:]))}))
"""


def test_exactly_one_plugin_is_loaded_and_nothing_is_overwritten():
    stems = [path.stem for path in (PLUGINS / "watchkeeper").rglob("*.py") if path.stem not in DUNDERS]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *stems],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(PLUGINS)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    assert answer == {"own": ["watchkeeper"], "errors": {}, "statistics": True, "stray": []}


def test_no_stem_is_anybody_elses():
    stems = Counter(path.stem for path in PLUGINS.rglob("*.py") if path.stem not in DUNDERS)
    assert [stem for stem, count in stems.items() if count > 1] == []
    taken = set(sys.stdlib_module_names) | set(packages_distributions())
    assert sorted(set(stems) & (taken - {"watchkeeper", "watchkeeper_plugin"})) == []
