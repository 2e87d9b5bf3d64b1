"""Bias of a labelled window, whole, as a process: ``bias_ours.py FLIP_TEST BASELINE RECORDS OUTPUT``.

What a run does with merged records: read them, keep the state, measure, judge by the baseline's ``analysis.json`` with
bootstrap intervals, and write Clarify's documents. ``FLIP_TEST`` is yes or no; ``-`` stands for no baseline.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from watchkeeper.analysis.bias_definition import POST_TRAINING_METRICS, BiasAttributes, Facet
from watchkeeper.analysis.bias_judgement import judge_bias
from watchkeeper.analysis.bias_profile import merge_bias_profiles, profile_bias
from watchkeeper.analysis.bias_report import BiasReport, decode_bias_report, encode_bias_report
from watchkeeper.analysis.bias_violations import encode_bias_violations
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.profile_file import decode_bias_profile, encode_bias_profile

_CHUNK = 1024 * 1024


def chunks(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def attributes(*, flip_test: bool) -> BiasAttributes:
    """Return what is measured: three facets, a group variable, all metrics or all but the Flip Test."""
    return BiasAttributes(
        label_values_or_threshold=(1,),
        facets=(Facet("sex", (0,)), Facet("race", (3, 4)), Facet("region", (1,))),
        group_variable="town",
        inference_attribute="0",
        input_columns=("sex", "race", "region", "town", *(f"number_{position}" for position in range(8))),
        post_training_metrics=tuple(name for name in POST_TRAINING_METRICS if flip_test or name != "FT"),
    )


def main(flip_test: str, baseline: str, records: Path, output: Path) -> None:
    """Write the documents of a window's merged records."""
    output.mkdir(parents=True, exist_ok=True)
    files = (CaptureFile(path.name, chunks(path)) for path in sorted(records.glob("*.jsonl")))
    state = output / "state.bin"
    state.write_bytes(encode_bias_profile(profile_bias(files, attributes(flip_test=flip_test == "yes"))))
    profile = merge_bias_profiles([decode_bias_profile(state.read_bytes())])
    before = BiasReport() if baseline == "-" else decode_bias_report(Path(baseline).read_bytes(), baseline)
    judgement = judge_bias(profile, before)
    assert judgement.report is not None  # noqa: S101 - there are rows
    (output / "analysis.json").write_bytes(encode_bias_report(judgement.report))
    (output / "constraint_violations.json").write_bytes(encode_bias_violations(judgement.findings) or b"")
    print(judgement.verdict, judgement.reason)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
