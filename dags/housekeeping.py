"""### Keep the store small, and say what it costs

`compact, expire, sweep → report → verify`, daily.

- **compact** makes one file of each past day's of the ledgers, with exactly the same rows.
- **expire** deletes what is past its retention, if the fleet's file says `cost.delete_expired: true`; else it counts
  what it would delete. A kind without a retention is never deleted, nor are baselines and audit records.
- **sweep** deletes shadow endpoints that runs left behind, and tells of notices that nobody sent.
- **report** writes the month's cost report (`cost/yyyy/mm.html`): what was predicted, what was found, the ceilings and
  what gave way to them. It tells people of a ceiling once a month.
"""

# Airflow parses only files that speak of airflow and dag.
from watchkeeper.operators.housekeeping_dag import build_housekeeping_dag

dag = build_housekeeping_dag("housekeeping", __doc__)
