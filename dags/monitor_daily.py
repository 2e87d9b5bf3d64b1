"""### Judge every day of every endpoint

`due_endpoints → settle → analyze[endpoint, monitor] → report → verify`

Each run judges one UTC day. A day is the merge of its hours' states, which `monitor_hourly` keeps; captures are
listed again, and hours whose files have changed or whose state is missing are read anew. So a day is judged rightly
although files came late, and hours that were too few for a verdict count in it.

Where an endpoint's file has `monitors.explainability`, a sample of the day's rows is explained too, by asking the
model: through a shadow endpoint that is deleted when the analysis ends, a tree model's file, or the live endpoint by
opt-in.

Everything else is as in `monitor_hourly`.
"""

# Airflow parses only files that speak of airflow and dag.
from watchkeeper.operators.monitor_dag import build_monitor_dag

dag = build_monitor_dag("monitor_daily", "daily", __doc__)
