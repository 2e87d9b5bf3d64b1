"""### Watch the automation itself

`work_off → start[DAG] → report → verify`

What CodePipeline, CodeBuild, Step Functions and SageMaker say of pipelines, jobs, endpoints and model packages, and
what CloudTrail says of who changed them, comes through EventBridge and a queue into the inbox. **work_off** records
each event in the ledger, tells people by its severity, and starts the pipelines that a rule names; **start** triggers
the DAGs that a rule names; **report** takes out of the inbox what is done, and tells of runs that are late or stuck;
**verify** fails the run if anything failed.

- Rules and deadlines stand in `events` of `include/fleet.yaml`; without any, what failed is told.
- An event leaves the inbox only when it is recorded, told and acted on: a killed run goes on where it stopped.
- The same event, however often it comes, is told once and starts one run.
- Events older than `events.act_within_hours` are recorded silently.
"""

# Airflow parses only files that speak of airflow and dag.
from watchkeeper.operators.platform_events_dag import build_platform_events_dag

dag = build_platform_events_dag("platform_events", __doc__)
