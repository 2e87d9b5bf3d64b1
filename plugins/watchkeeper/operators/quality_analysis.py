"""The model quality monitor of one endpoint: captured predictions against the labels that have come for them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from watchkeeper.analysis.merged_profile import QualityProfile, merge_quality_profiles, profile_merged
from watchkeeper.analysis.profile_file import decode_quality_profile, encode_quality_profile
from watchkeeper.analysis.quality_constraints import decode_quality_constraints
from watchkeeper.analysis.quality_evaluation import QualityBaseline
from watchkeeper.analysis.quality_judgement import judge_quality
from watchkeeper.analysis.quality_statistics import decode_quality_statistics
from watchkeeper.operators.labelled_analysis import LabelledAnalysis
from watchkeeper.operators.quality_rules import (
    quality_attributes,
    quality_documents,
    quality_result,
    quality_rules,
)

if TYPE_CHECKING:
    from watchkeeper.analysis.capture_records import CaptureFile
    from watchkeeper.analysis.quality_attributes import QualityAttributes
    from watchkeeper.aws.baseline_store import ChosenBaseline
    from watchkeeper.aws.window_result import WindowResult


@dataclass
class ModelQualityAnalysis(LabelledAnalysis[QualityProfile]):
    """Judges captured predictions against the labels that have come for them."""

    monitor = "model_quality"

    _baselines: dict[str, QualityBaseline] = field(default_factory=dict, init=False)

    @cached_property
    def _attributes(self) -> "QualityAttributes":
        return quality_attributes(self.spec)

    @property
    def dialect(self) -> str:
        """The dialect of the endpoint's file."""
        return self.spec.model_quality.dialect

    @property
    def reading(self) -> str:
        """A digest of the attributes."""
        return self._attributes.digest()

    def read(self, parts: Iterable["CaptureFile"]) -> QualityProfile:
        """Return the profile of merged records."""
        return profile_merged(parts, self._attributes)

    def merge(self, profiles: list[QualityProfile]) -> QualityProfile:
        """Return the profile of a window from those of its hours."""
        return merge_quality_profiles(profiles)

    def encode(self, profile: QualityProfile) -> bytes:
        """Return a profile as it is kept."""
        return encode_quality_profile(profile)

    def decode(self, body: bytes) -> QualityProfile:
        """Return a kept profile; DocumentError if it cannot be read."""
        return decode_quality_profile(body)

    def judge(
        self, draft: "WindowResult", profile: QualityProfile, chosen: "ChosenBaseline"
    ) -> tuple["WindowResult", Mapping[str, bytes]]:
        """Return the result and Model Monitor's documents."""
        judgement = judge_quality(profile, self._baseline(chosen.version), quality_rules(self.spec))
        return quality_result(draft, judgement), quality_documents(judgement)

    def _baseline(self, version: str) -> QualityBaseline:
        if version not in self._baselines:
            constraints, statistics = self._documents(version)
            self._baselines[version] = QualityBaseline(
                decode_quality_constraints(*constraints), decode_quality_statistics(*statistics)
            )
        return self._baselines[version]
