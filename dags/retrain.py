"""### Retrain, compare, promote or keep

`decide_roll_back → back[endpoint] → decide → attempt[endpoint] → report → verify`, where an attempt is
`approve_training → prepare → train → compare → approve_promotion → promote → renew_baselines`

Rings when a fresh window is violated. **decide** asks each endpoint's policy (`retraining` in its file): which monitors
and findings count, how many of the last windows, cooldown, maximum per month, and the mode: `dry_run` (the default)
only records what it would do. An attempt trains a challenger by the endpoint's SageMaker Pipeline, compares it with the
champion on rows that neither was trained on, and promotes it only if the gate says so; the model package is approved or
rejected with the reason, and the evidence is kept below `actions/` in the store.

- By hand: trigger it with `endpoints`; `force` overrides cooldown, maximum and dry run.
- Where a person has to approve, the run waits under *Required actions*.
- **decide_roll_back** takes a promotion back first, where the endpoint's file has `deployment.roll_back`.
- A killed task stops its pipeline; a retry adopts it. To take one back by hand, trigger `roll_back`.
"""

# Airflow parses only files that speak of airflow and dag.
from watchkeeper.operators.retrain_dag import build_retrain_dag

dag = build_retrain_dag("retrain", __doc__)
