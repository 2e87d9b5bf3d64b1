"""The scenes there are: a new one is a module beside this file and a line here."""

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.demo import attribution, bias, data_quality, retrain, rollback
from sandbox.demo.stage import Stage


@dataclass(frozen=True)
class Scene:
    """A story that the demo can play. ``play`` returns what was expected and did not come, empty when all did."""

    name: str
    summary: str
    play: Callable[[Stage], list[str]]


SCENES = {
    scene.name: scene
    for scene in (
        Scene("data_quality", "drift, broken input and missing capture, found hour by hour", data_quality.play),
        Scene(
            "retrain", "labels come late, quality falls, a challenger is promoted and another rejected", retrain.play
        ),
        Scene("attribution", "a model's top driver moves from size to location", attribution.play),
        Scene("bias", "a second model judges by race, and the labels show it", bias.play),
        Scene("rollback", "a bad release raises 5xx, is rolled back on its alarm, and verified", rollback.play),
    )
}
