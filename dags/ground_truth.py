"""### Join labels with captures

`due → merge[endpoint] → report → verify`

Labels come hours or weeks after the predictions. Each run looks at the whole horizon of every endpoint whose file has
`ground_truth`: **merge** joins every captured hour whose captures or labels changed, also weeks back, and leaves the
others alone; **report** tells what was found and rings `watchkeeper_merged` if anything changed; **verify** fails the
run if an endpoint could not be merged.

- Merged records lie at `merged/{endpoint}/{variant}/yyyy/mm/dd/hh/` in Model Monitor's format, each hour with a
  `merge.json` that has coverage and counts.
- What there is to do is worked out from S3: a run that was missed or killed is made good by the next one.
- For labels older than the horizon trigger the DAG with `horizon_days`.
"""

# Airflow parses only files that speak of airflow and dag.
from watchkeeper.operators.ground_truth_dag import build_ground_truth_dag

dag = build_ground_truth_dag("ground_truth", __doc__)
