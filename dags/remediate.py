"""### From alarms to verified recovery

`drain → decide → incident[endpoint](approve → act → verify) → report → verify_run`

Rings when an alarm changes its state (EventBridge → SQS → inbox → asset), and every five minutes. **decide** asks
CloudWatch for the state of all alarms that an endpoint's policy (`remediation` in its file) follows, and decides: mode
(`dry_run` is the default: it only says what it would do), persistence, cooldown, circuit breaker, maintenance windows,
and the fleet's blast radius (`include/fleet.yaml`). All alarms of an endpoint at one time are one incident, with one
record below `actions/` and one thread of messages. **act** does one step of it; **verify** waits until it holds and the
alarms are OK again. What does not help is followed by the rule's next step, and at last by people.

- By hand: `close_circuit_breakers` and `end_incidents`, with `reason`.
- Where a person has to approve, the run waits under *Required actions*.
- A paused DAG loses nothing: events wait in the inbox, alarms are asked for their state.
"""

# Airflow parses only files that speak of airflow and dag.
from watchkeeper.operators.remediate_dag import build_remediate_dag

dag = build_remediate_dag("remediate", __doc__)
