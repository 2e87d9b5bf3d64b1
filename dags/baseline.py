"""### Make baselines

`choose → build[endpoint]`

Profiles an endpoint's training data into `statistics.json` and `constraints.json` (for bias and explainability:
measures and explains it into `analysis.json`), keeps them as a new version and puts it in force. Trigger it without
params for all endpoints whose file says what their baseline is made from, or name `endpoints`. For one endpoint
`dataset` replaces the file's source, `format` says how either is written, and `import_statistics` with
`import_constraints` takes over existing documents of SageMaker Model Monitor, thresholds edited by hand included;
`import_analysis` takes over an `analysis.json` of SageMaker Clarify.

Thresholds of an endpoint's file are laid over the baseline whenever it is used, so a new baseline never loses them.
The same data makes no new version. `use_version` puts an earlier version of one endpoint in force again, from now on.
"""

# Airflow parses only files that speak of airflow and dag.
from watchkeeper.operators.monitor_dag import build_baseline_dag

dag = build_baseline_dag("baseline", __doc__)
