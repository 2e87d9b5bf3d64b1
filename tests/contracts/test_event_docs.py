"""The page on platform events says what there is: kinds, built-in rules, and an example that the file takes."""

import re
from pathlib import Path

import yaml

from watchkeeper.registry.event_kind import EVENT_KINDS
from watchkeeper.registry.event_rules import BUILT_IN
from watchkeeper.registry.fleet_spec import FleetSpec

PAGE = (Path(__file__).parents[2] / "docs" / "platform-events.md").read_text(encoding="utf-8")


def test_every_kind_and_every_built_in_rule_is_told() -> None:
    assert [kind for kind in EVENT_KINDS if f"`{kind}`" not in PAGE] == []
    rows = dict(
        re.findall(r"^\| `([a-z-]+)` \| .* \| (info|warning|critical)(?:, not told.*)? \|$", PAGE, re.MULTILINE)
    )
    assert rows == {name: rule.severity for name, rule in BUILT_IN.items()}


def test_the_example_is_what_the_fleets_file_takes() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    events = FleetSpec.model_validate(yaml.safe_load(example)).events
    assert set(events.rules) == {"features-are-there", "scoring-failed", "retrain-after-labels"}
    assert set(events.deadlines) == {"nightly-scoring"}


def test_the_examples_of_python_run_as_far_as_they_can() -> None:
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        compile(block, "docs/platform-events.md", "exec")
