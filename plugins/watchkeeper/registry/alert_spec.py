"""What an endpoint file says about who is told, and how loudly."""

from typing import Annotated, Literal

from pydantic import Field

from watchkeeper.registry.spec_base import HttpUrl, SpecModel, TopicArn

AlertSeverity = Literal["info", "warning", "critical"]


class AlertSpec(SpecModel):
    """Alerts of one endpoint: one message per window at most."""

    topic_arn: TopicArn | None = Field(
        default=None,
        description="The SNS topic to publish to; null for the deployment's.",
        examples=["arn:aws:sns:us-east-1:123456789012:churn-alerts"],
    )
    severity: AlertSeverity = Field(
        default="warning",
        description="The severity that this endpoint's alerts carry, also as a message attribute for subscription "
        "filters.",
        examples=["critical"],
    )
    runbook_url: HttpUrl | None = Field(
        default=None,
        description="The page that an alert links to; null for the page of the worst finding's kind.",
        examples=["https://wiki.example.com/churn-model"],
    )
    act_within_hours: Annotated[float, Field(ge=0)] | None = Field(
        default=None,
        description="A window that ended longer ago is recorded silently: no alert, no action. null for the "
        "deployment's; 0 never alerts.",
        examples=[6],
    )
