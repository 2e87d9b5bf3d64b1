"""### Tell nobody of it for a while

Makes a silence: what its params name is recorded and told to nobody until it ends. Give at least one of `endpoint`,
`owner`, `monitor`, `severity` and `kind`, a moment `until` and a `reason`. Recoveries and questions are sent all the
same unless `kind` names them. `lift` ends a silence before its time; the run that made it returned its id.
"""

# Airflow parses only files that speak of airflow and dag.
from watchkeeper.operators.silence_dag import build_silence_dag

dag = build_silence_dag("silence", __doc__)
