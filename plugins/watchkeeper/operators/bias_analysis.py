"""The bias monitor of one endpoint: how labels and predictions fall on groups, against the baseline."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from watchkeeper.analysis.bias_judgement import judge_bias
from watchkeeper.analysis.bias_profile import BiasProfile, merge_bias_profiles, profile_bias
from watchkeeper.analysis.bias_report import decode_bias_report
from watchkeeper.analysis.bias_state_file import decode_bias_state
from watchkeeper.analysis.profile_file import decode_bias_profile, encode_bias_profile
from watchkeeper.operators.bias_baseline import STATE_NAME
from watchkeeper.operators.bias_rules import (
    BiasBaseline,
    bias_attributes,
    bias_documents,
    bias_result,
    bias_rules,
)
from watchkeeper.operators.labelled_analysis import LabelledAnalysis

if TYPE_CHECKING:
    from watchkeeper.analysis.bias_definition import BiasAttributes
    from watchkeeper.analysis.capture_records import CaptureFile
    from watchkeeper.aws.baseline_store import ChosenBaseline
    from watchkeeper.aws.window_result import WindowResult


@dataclass
class BiasAnalysis(LabelledAnalysis[BiasProfile]):
    """Judges labels and predictions by group."""

    monitor = "bias"

    _baselines: dict[str, BiasBaseline] = field(default_factory=dict, init=False)

    @cached_property
    def _attributes(self) -> "BiasAttributes":
        return bias_attributes(self.spec)

    @property
    def dialect(self) -> str:
        """The dialect of the endpoint's file."""
        return self.spec.bias.dialect

    @property
    def reading(self) -> str:
        """A digest of the attributes."""
        return self._attributes.digest()

    def read(self, parts: Iterable["CaptureFile"]) -> BiasProfile:
        """Return the profile of merged records."""
        return profile_bias(parts, self._attributes)

    def merge(self, profiles: list[BiasProfile]) -> BiasProfile:
        """Return the profile of a window from those of its hours."""
        return merge_bias_profiles(profiles)

    def encode(self, profile: BiasProfile) -> bytes:
        """Return a profile as it is kept."""
        return encode_bias_profile(profile)

    def decode(self, body: bytes) -> BiasProfile:
        """Return a kept profile; DocumentError if it cannot be read."""
        return decode_bias_profile(body)

    def judge(
        self, draft: "WindowResult", profile: BiasProfile, chosen: "ChosenBaseline"
    ) -> tuple["WindowResult", Mapping[str, bytes]]:
        """Return the result and Clarify's documents."""
        baseline, rules = self._baseline(chosen.version), bias_rules(self.spec)
        judgement = judge_bias(profile, baseline.report, rules, baseline_state=baseline.state)
        result = bias_result(draft, judgement)
        return result, bias_documents(result, judgement, profile.state, baseline, rules)

    def _baseline(self, version: str) -> BiasBaseline:
        if version not in self._baselines:
            store, place = self.deployment.baselines, (self.spec.registry_id, self.monitor, version)
            analysis, counts = (*place, "analysis.json"), (*place, STATE_NAME)
            report = decode_bias_report(store.document(*analysis), store.document_uri(*analysis))
            # A document that was taken over from Clarify comes without counts.
            kept = store.optional_document(*counts)
            state = None if kept is None else decode_bias_state(kept, store.document_uri(*counts))
            self._baselines[version] = BiasBaseline(report, state)
        return self._baselines[version]
