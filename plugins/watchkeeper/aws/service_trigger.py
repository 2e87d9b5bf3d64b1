"""Base of the triggers that wait with one of our hooks' waiters."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from airflow.providers.amazon.aws.triggers.base import AwsBaseWaiterTrigger
from airflow.triggers.base import TriggerEvent

from watchkeeper.aws.capture_trigger import FIRST_EVENT_SECONDS
from watchkeeper.aws.service_hook import ServiceHook


class ServiceTrigger(AwsBaseWaiterTrigger):
    """Waits with a waiter of ``hook_class``, and fires not before ten seconds have passed.

    :param role_arn: a role that is assumed with the connection's credentials; ``None`` for the connection's own.
    """

    hook_class: ClassVar[type[ServiceHook]]

    def __init__(self, *, serialized_fields: dict[str, Any], role_arn: str | None = None, **kwargs: Any) -> None:
        role = {} if role_arn is None else {"role_arn": role_arn}
        super().__init__(serialized_fields={**serialized_fields, **role}, **kwargs)
        self.role_arn = role_arn

    def hook(self) -> ServiceHook:
        """Return the hook whose waiters hold ours."""
        return self.hook_class(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.botocore_config,
            role_arn=self.role_arn,
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event; its ``status`` is ``success`` or ``error``."""
        await asyncio.sleep(FIRST_EVENT_SECONDS)
        async for event in super().run():
            yield event
