"""### Judge every day of every endpoint

`due_endpoints → settle → analyze[endpoint] → report → verify`

Each run judges one UTC day. A day is the merge of its hours' states, which `monitor_hourly` keeps; captures are
listed again, and hours whose files have changed or whose state is missing are read anew. So a day is judged rightly
although files came late, and hours that were too few for a verdict count in it.

Everything else is as in `monitor_hourly`.
"""

# Airflow parses only files that speak of airflow and dag.
from watchkeeper.operators.monitor_dag import build_monitor_dag

dag = build_monitor_dag("monitor_daily", "daily", __doc__)
