"""What all messages share: subjects that SNS takes, and the links under the text."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.registry.deployment_settings import DeploymentSettings

#: SNS allows ASCII subjects of at most 100 characters.
_SUBJECT_LIMIT = 100


@dataclass(frozen=True)
class RunOrigin:
    """The run that speaks, and where people open Airflow; all empty outside of any run."""

    dag_id: str = ""
    run_id: str = ""
    airflow_url: str | None = None

    @classmethod
    def of(cls, context: "Context") -> Self:
        """Return the origin of a task's messages."""
        from airflow.sdk import conf

        run: Any = context.get("dag_run")
        return cls(
            dag_id=str(getattr(run, "dag_id", "") or ""),
            run_id=str(getattr(run, "run_id", "") or ""),
            airflow_url=conf.get("api", "base_url", fallback=None),
        )

    def link(self, settings: "DeploymentSettings") -> str | None:
        """Return the address of the run's page, or ``None`` where that is not known."""
        base = (settings.airflow_url or self.airflow_url or "").rstrip("/")
        if not (base and self.dag_id and self.run_id):
            return None
        return f"{base}/dags/{quote(self.dag_id, safe='')}/runs/{quote(self.run_id, safe='')}"


def console_base(settings: "DeploymentSettings", region_name: str) -> str:
    """Return where people open the AWS console."""
    return settings.console_url or f"https://{region_name}.console.aws.amazon.com"


def runbook_address(settings: "DeploymentSettings", page: str) -> str:
    """Return where a page of ``include/runbooks`` can be read; its path if nobody said where. An address stays."""
    if "://" in page:
        return page
    return f"{settings.runbooks_url}/{page}" if settings.runbooks_url else f"include/runbooks/{page}"


def link_lines(**links: str | None) -> list[str]:
    """Return a line for each link that is known; ``airflow_run`` is told as "Airflow run"."""
    return [f"{name[0].upper()}{name[1:].replace('_', ' ')}: {link}" for name, link in links.items() if link]


def plain_subject(text: str) -> str:
    """Return ``text`` as a subject that SNS takes: ASCII, one line, at most 100 characters."""
    plain = "".join(char if " " <= char <= "~" else "?" for char in text)
    return plain if len(plain) <= _SUBJECT_LIMIT else f"{plain[: _SUBJECT_LIMIT - 3]}..."
