"""A labelled window, whole, as a process: ``quality_ours.py [--index] BASELINE CAPTURES LABELS OUTPUT``.

Merge, then what an hourly run does with the merged records: read them, keep the state, measure (standard deviations
from samples, bootstrap intervals), judge by the baseline, and write Model Monitor's documents.
"""

import sys
from pathlib import Path

from merge_ours import chunks, merge

from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.merged_profile import merge_quality_profiles, profile_merged
from watchkeeper.analysis.profile_file import decode_quality_profile, encode_quality_profile
from watchkeeper.analysis.quality_attributes import ProblemType, QualityAttributes
from watchkeeper.analysis.quality_constraints import (
    decode_quality_constraints,
    encode_quality_constraints,
    suggest_quality_constraints,
)
from watchkeeper.analysis.quality_evaluation import QualityBaseline
from watchkeeper.analysis.quality_judgement import QualityJudgement, judge_quality
from watchkeeper.analysis.quality_statistics import decode_quality_statistics, encode_quality_statistics
from watchkeeper.analysis.quality_violations import encode_quality_violations

ATTRIBUTES = QualityAttributes(ProblemType.BINARY, probability_attribute="0")


def judge(merged: list[Path], baseline: Path, output: Path) -> QualityJudgement:
    """Write the documents of a window's merged records, and return the judgement."""
    profile = profile_merged((CaptureFile(path.name, chunks(path)) for path in merged), ATTRIBUTES)
    state = output / "state.bin"
    state.write_bytes(encode_quality_profile(profile))
    judgement = judge_quality(
        merge_quality_profiles([decode_quality_profile(state.read_bytes())]),
        QualityBaseline(
            decode_quality_constraints((baseline / "constraints.json").read_bytes()),
            decode_quality_statistics((baseline / "statistics.json").read_bytes()),
        ),
    )
    statistics = judgement.statistics
    assert statistics is not None  # noqa: S101 - there are rows
    (output / "statistics.json").write_bytes(encode_quality_statistics(statistics))
    suggested = suggest_quality_constraints(statistics)
    (output / "constraints.json").write_bytes(encode_quality_constraints(suggested))
    (output / "constraint_violations.json").write_bytes(encode_quality_violations(judgement.findings) or b"")
    return judgement


if __name__ == "__main__":
    options, places = sys.argv[1:-4], [Path(place) for place in sys.argv[-4:]]
    merged = merge(*places[1:], with_index="--index" in options)
    judgement = judge(merged, places[0], places[-1])
    print(judgement.verdict, judgement.reason)
    for finding in judgement.findings:
        print(finding.feature, finding.outcome, finding.reason)
