"""Airflow's REST API, as far as the demo uses it."""

import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

FINISHED = {"success", "failed"}
PATIENCE_SECONDS = 60.0


class AirflowApiError(RuntimeError):
    """Airflow refused a request, or a DAG cannot be used; the message holds Airflow's own words."""


@dataclass(frozen=True)
class DagRun:
    """One run of a DAG, as the API tells of it."""

    dag_id: str
    run_id: str
    state: str
    run_type: str
    logical_date: str | None


class AirflowClient:
    """Talks to one Airflow whose users are all admins, so without a token."""

    def __init__(self, url: str) -> None:
        self.url = url
        # trust_env: a proxy of the caller's shell has no business between two processes of one machine.
        self._http = httpx.Client(base_url=f"{url}/api/v2", timeout=60, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def health(self) -> dict[str, Any]:
        """Return the state of each component by its name; httpx.HTTPError while the API server is not up."""
        answer = self._http.get("/monitor/health")
        answer.raise_for_status()
        return dict(answer.json())

    def wait_for_dag(self, dag_id: str, timeout: float, pulse: Callable[[], None]) -> None:
        """Return once Airflow knows the DAG; AirflowApiError, with the import errors, when it does not come."""
        deadline = time.monotonic() + timeout
        while self._http.get(f"/dags/{dag_id}").status_code != httpx.codes.OK:
            errors = self._request("GET", "/importErrors")["import_errors"]
            if errors or time.monotonic() > deadline:
                reasons = "\n".join(f"{error['filename']}:\n{error['stack_trace']}" for error in errors)
                message = f"Airflow does not know the DAG {dag_id!r}. {reasons or 'It found no fault in any file.'}"
                raise AirflowApiError(message)
            pulse()
            time.sleep(0.3)

    def pause(self, dag_id: str, *, paused: bool = True) -> None:
        """Keep the scheduler from running the DAG, or let it again."""
        self._request("PATCH", f"/dags/{dag_id}", params={"update_mask": "is_paused"}, json={"is_paused": paused})

    def parse_again(self, dag_id: str) -> None:
        """Have the DAG's file parsed at once, and not when its turn has come."""
        token = self._request("GET", f"/dags/{dag_id}")["file_token"]
        answer = self._http.put(f"/parseDagFile/{token}")
        if answer.is_error:
            _content(answer)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> DagRun:
        """Start a run now and return it."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        return _dag_run(self._request("POST", f"/dags/{dag_id}/dagRuns", json=body))

    def backfill(
        self,
        dag_id: str,
        first: datetime,
        last: datetime,
        max_active_runs: int,
        conf: Mapping[str, Any] | None = None,
    ) -> list[DagRun]:
        """Start a backfill over the logical dates from ``first`` to ``last``, both included; return its runs.

        The DAG is not paused afterwards, but it is meanwhile: on SQLite the scheduler's writes can make the creation
        fail, Airflow then deletes the runs made so far, and a scheduler that has begun to start them ends itself.
        Airflow makes one backfill of a DAG at a time and notices the end of one only twice a minute, so this may wait.
        """
        body = {
            "dag_id": dag_id,
            "from_date": first.isoformat(),
            "to_date": last.isoformat(),
            "max_active_runs": max_active_runs,
            "reprocess_behavior": "none",
            "run_backwards": False,
            "dag_run_conf": dict(conf or {}),
        }
        before = {run.run_id for run in self.runs(dag_id)}
        self.pause(dag_id)
        # 503: the creation failed on SQLite and was undone; 409: Airflow has not noticed the end of the last one.
        self._request_patiently("POST", "/backfills", {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.CONFLICT}, body)
        runs = [run for run in self.runs(dag_id) if run.run_type == "backfill" and run.run_id not in before]
        self.pause(dag_id, paused=False)
        return runs

    def unfinished_count(self, dag_id: str) -> int:
        """Return how many runs of the DAG are queued or running; much cheaper than listing them."""
        page = self._request("GET", f"/dags/{dag_id}/dagRuns", params={"limit": 1, "state": ["queued", "running"]})
        return int(page["total_entries"])

    def runs(self, dag_id: str) -> list[DagRun]:
        """Return the DAG's runs, the earliest first."""
        runs: list[DagRun] = []
        while True:
            page = self._request(
                "GET", f"/dags/{dag_id}/dagRuns", params={"limit": 100, "offset": len(runs), "order_by": "id"}
            )
            runs.extend(_dag_run(run) for run in page["dag_runs"])
            if not page["dag_runs"] or len(runs) >= page["total_entries"]:
                return runs

    def failed_tasks(self, run: DagRun) -> list[str]:
        """Return the ids (with the map index, where there is one) of the run's failed tasks."""
        path = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances"
        tasks = self._request("GET", path, params={"state": ["failed", "upstream_failed"], "limit": 100})
        return [
            task["task_id"] + ("" if task["map_index"] < 0 else f"[{task['rendered_map_index'] or task['map_index']}]")
            for task in tasks["task_instances"]
        ]

    def waiting_approvals(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the questions of a DAG's runs that wait for a person's answer."""
        page = self._request(
            "GET", f"/dags/{dag_id}/dagRuns/~/hitlDetails", params={"response_received": False, "limit": 100}
        )
        return list(page["hitl_details"])

    def approve(self, question: Mapping[str, Any]) -> None:
        """Answer a question with Approve, as a person would under Required Actions."""
        task = question["task_instance"]
        path = f"/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}"
        self._request(
            "PATCH", f"{path}/{task['map_index']}/hitlDetails", json={"chosen_options": ["Approve"], "params_input": {}}
        )

    def _request_patiently(
        self, method: str, path: str, passing: Container[int], body: Mapping[str, Any]
    ) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self._http.request(method, path, json=body)
            if answer.status_code not in passing or time.monotonic() > deadline:
                return _content(answer)
            time.sleep(0.5)

    def _request(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        return _content(self._http.request(method, path, **arguments))


def _content(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        message = f"{answer.request.method} {answer.url.path}: {answer.status_code} {answer.text[:2000]}"
        raise AirflowApiError(message)
    return dict(answer.json())


def _dag_run(fields: Mapping[str, Any]) -> DagRun:
    return DagRun(fields["dag_id"], fields["dag_run_id"], fields["state"], fields["run_type"], fields["logical_date"])
