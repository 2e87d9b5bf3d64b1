"""Plans below ``plans/``: what was shown, to be applied as it was shown, and what came of it."""

import json
import re
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.object_store import ObjectStore
from watchkeeper.aws.resource_plan import ResourcePlan
from watchkeeper.errors import StoreError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_FOLDER = "plans"


class PlanStore:
    """``plans/{run}.json`` and ``.txt``, and ``plans/{run}/outcomes/{name}.json``."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.store = ObjectStore(bucket, prefix, client)

    @staticmethod
    def name(run_id: str) -> str:
        """Return the plan's name of a run: its id without what keys and shells stumble over."""
        return _UNSAFE.sub("_", run_id) or "plan"

    def write(self, plan: ResourcePlan) -> str:
        """Store a plan as JSON and as text; return the address of the text. A retry of the run writes it anew."""
        self.store.write(f"{_FOLDER}/{plan.run}.txt", plan.text().encode(), content_type="text/plain; charset=utf-8")
        self.store.write(f"{_FOLDER}/{plan.run}.json", plan.encoded())
        return self.store.uri(f"{_FOLDER}/{plan.run}.txt")

    def read(self, name: str) -> ResourcePlan:
        """Return a stored plan; StoreError if there is none of this name."""
        key = f"{_FOLDER}/{name}.json"
        found = self.store.read(key)
        if found is None:
            raise StoreError(self.store.uri(key), "there is no such plan", "Name one that lies below plans/.")
        return ResourcePlan.decoded(found.body, self.store.uri(key))

    def write_outcome(self, run: str, name: str, outcome: dict[str, Any]) -> None:
        """Store what came of a part of a plan in a run; a retry writes it anew."""
        body = json.dumps(outcome, indent=2, sort_keys=True).encode()
        self.store.write(f"{_FOLDER}/{run}/outcomes/{self.name(name)}.json", body)

    def outcomes(self, run: str) -> list[dict[str, Any]]:
        """Return what came of all parts of a plan in a run."""
        listed = [item.key for item in self.store.list(f"{_FOLDER}/{run}/outcomes/")]
        found = (self.store.read(key) for key in listed)
        return [json.loads(item.body) for item in found if item is not None]
