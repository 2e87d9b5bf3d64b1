"""Whose a thing in AWS is: a mark in its description, which listings show, and tags, which they do not."""

import re
from dataclasses import dataclass

DEPLOYMENT_TAG = "watchkeeper:deployment"
ENDPOINT_TAG = "watchkeeper:endpoint"
_MARK = re.compile(r"\[watchkeeper:deployment=(?P<deployment>[^\s\]]+) endpoint=(?P<scope>[^\s\]]+)\]")
_LONGEST_DESCRIPTION = 1024


@dataclass(frozen=True)
class OwnerMark:
    """The deployment (``bucket/prefix``) that made a thing, and the endpoint that it is for, or the fleet."""

    deployment: str
    scope: str

    def __str__(self) -> str:
        return f"[watchkeeper:deployment={self.deployment} endpoint={self.scope}]"

    @property
    def tags(self) -> list[dict[str, str]]:
        """The same as AWS's tags."""
        return [{"Key": DEPLOYMENT_TAG, "Value": self.deployment}, {"Key": ENDPOINT_TAG, "Value": self.scope}]

    def described(self, text: str, longest: int = _LONGEST_DESCRIPTION) -> str:
        """Return a description that ends with the mark; the text is cut to what AWS takes, the mark never."""
        ending = f" {self}"
        return f"{text[: longest - len(ending)].rstrip()}{ending}"

    @classmethod
    def read(cls, text: str) -> "OwnerMark | None":
        """Return the mark that a description carries, or ``None``."""
        found = _MARK.search(text)
        return cls(**found.groupdict()) if found else None
