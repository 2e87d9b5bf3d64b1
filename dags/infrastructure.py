"""### Plan and apply what AWS shall hold

`plan → apply[endpoint] → apply_fleet → report → verify`, and `capture[endpoint]` beside apply

**plan** compares what endpoint files (`infrastructure`) and the fleet's file declare with what AWS holds: alarms, one
incident per endpoint, mute windows, dashboards, log retention, S3 lifecycle, event rules, data capture. The difference
stands in its log, and as `plans/{run}.json` and `.txt` in the store. What does not carry our mark and tag is never
touched; what a file no longer declares is pruned.

- Daily it does what `infrastructure.mode` of the fleet's file says: `plan` unless that says `apply`.
- By hand: `mode: apply`, or `plan` with the name of a stored plan to apply it as it was shown.
- **apply** compares with AWS anew, brings the plan about and looks whether it stayed. It may be run again.
- What went wrong is collected, told once, and fails the run.
"""

# Airflow parses only files that speak of airflow and dag.
from watchkeeper.operators.infrastructure_dag import build_infrastructure_dag

dag = build_infrastructure_dag("infrastructure", __doc__)
