"""### Judge every hour of every endpoint

`due_endpoints → settle → analyze[endpoint, monitor] → report → verify`

Each run judges one hour of captured traffic against each endpoint's baseline. **settle** waits for capture's last
files, **analyze** has an instance per endpoint, **report** records a verdict for everyone who was due (whatever
happened before it) and tells whoever has to know, **verify** fails the run if anything failed.

- Endpoints are the files of `include/endpoints`: add one by adding a file, not by touching this DAG.
- A missed hour of the last 48 is made good by itself. For older ones:
  `airflow backfill create --dag-id monitor_hourly --from-date … --to-date …`; backfills alert nobody.
- To judge an endpoint's hours again, clear its instance of `analyze` with its downstream, or trigger the DAG with
  `window_start`, `window_end` and `endpoints`. The same verdict is never written or told twice.
"""

# Airflow parses only files that speak of airflow and dag.
from watchkeeper.operators.monitor_dag import build_monitor_dag

dag = build_monitor_dag("monitor_hourly", "hourly", __doc__)
