"""### Take a promotion back

Puts the EndpointConfig from before an attempt's promotion back in service, verifies that, rejects the model package
with the reason, puts the baselines from before it in force again, and records who did it. Trigger it with `endpoint`;
`attempt_id` chooses an earlier promotion.
"""

# Airflow parses only files that speak of airflow and dag.
from watchkeeper.operators.retrain_dag import build_roll_back_dag

dag = build_roll_back_dag("roll_back", __doc__)
