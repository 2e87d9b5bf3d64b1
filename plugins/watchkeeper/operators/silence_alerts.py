"""Makes and lifts silences while all runs on."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.operators.monitor_base import MonitorOperator, failing_at_once
from watchkeeper.operators.run_pipeline import run_name
from watchkeeper.registry.silence_form import make_silence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context


class SilenceAlertsOperator(MonitorOperator):
    """Tell nobody of what ``match`` names until a moment; verdicts and records go on. Or lift such a silence.

    :param match: What is silent, as ``routing.silences`` of the fleet's file has it: ``severity``, ``kind``, ``owner``,
        ``endpoint``, ``monitor`` (lists) and ``tags``; empty lists count as not given. (templated)
    :param until: When it ends, as ISO 8601 text with its offset. (templated)
    :param reason: Why, in a sentence. (templated)
    :param author: Who answers for it; by default who triggered the run. (templated)
    :param lift: The id of a silence to end now, instead of making one. (templated)
    """

    template_fields: "Sequence[str]" = (*MonitorOperator.template_fields, "match", "until", "reason", "author", "lift")

    def __init__(
        self,
        *,
        match: "Mapping[str, Any] | None" = None,
        until: str | None = None,
        reason: str | None = None,
        author: str | None = None,
        lift: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.match = match
        self.until = until
        self.reason = reason
        self.author = author
        self.lift = lift

    def execute(self, context: "Context") -> str:
        """Return the id of the silence that was made or lifted; SettingsError names what is missing or wrong."""
        with failing_at_once():
            deployment = self.open_deployment()
            if self.lift:
                deployment.silences.lift(self.lift)
                self.log.info("Silence %s is lifted", self.lift)
                return self.lift
            silence = make_silence(
                self.match or {}, self.until, self.reason, self.author or self._person(context), datetime.now(UTC)
            )
        silence_id = deployment.silences.write(silence)
        self.log.info("%s, until %s: %s", silence_id, silence.until, silence.match.model_dump(exclude_defaults=True))
        return silence_id

    def _person(self, context: "Context") -> str:
        return str(getattr(context.get("dag_run"), "triggering_user_name", None) or run_name(context))
