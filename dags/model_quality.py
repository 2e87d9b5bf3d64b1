"""### Judge models, and how they treat groups, by the labels that have come

`ripe_windows → analyze[endpoint, monitor] → report → verify`

Labels come hours or weeks after the predictions. A window is `labels_pending` until enough of its captures have a
label (`ground_truth.label_coverage`) or its waiting time is over (`ground_truth.waiting_hours`; a window that no
label came for by then is `failed`, and says so). It is then judged against the endpoint's baseline, by the monitors
`model_quality` and `bias` as its file says, and judged again whenever later labels change it: a new revision in the
ledger, and an alert that was sent is corrected or withdrawn.

- Runs when `ground_truth` has merged labels, and hourly: what there is to do is worked out from S3.
- Windows that ended longer ago than the waiting time and `act_within_hours` are recorded silently.
- To judge windows whatever has changed, trigger the DAG with `window_start`, `window_end` and `endpoints`.
"""

# Airflow parses only files that speak of airflow and dag.
from watchkeeper.operators.quality_dag import build_quality_dag

dag = build_quality_dag("model_quality", __doc__)
