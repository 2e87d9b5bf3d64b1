"""A golden case: a folder with a baseline, perhaps a captured window, and the bytes of the documents they must give.

``python -m tests.golden.golden_case`` writes the expected documents anew after a change of format that is meant;
read the difference before you commit it.
"""

from dataclasses import dataclass
from pathlib import Path

from watchkeeper.analysis.capture_profile import profile_capture
from watchkeeper.analysis.capture_records import CaptureFile, CaptureSchema
from watchkeeper.analysis.constraint_evaluation import Baseline, Dialect
from watchkeeper.analysis.constraint_set import encode_constraints
from watchkeeper.analysis.constraint_suggestion import suggest_constraints
from watchkeeper.analysis.dataset_profile import profile_csv
from watchkeeper.analysis.dataset_statistics import encode_statistics, statistics_of
from watchkeeper.analysis.judgement import JudgementRules, judge
from watchkeeper.analysis.violation_report import encode_violations

CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class GoldenCase:
    """One folder of ``cases``."""

    folder: Path

    def documents(self, block_bytes: int = 1 << 20) -> dict[str, bytes | None]:
        """Return each expected file's name and the bytes that the analysis gives now; ``None`` for no file."""
        dataset = CaptureFile("baseline.csv", [(self.folder / "baseline.csv").read_bytes()])
        statistics = statistics_of(profile_csv([dataset], block_bytes=block_bytes))
        constraints = suggest_constraints(statistics)
        found: dict[str, bytes | None] = {
            "statistics.json": encode_statistics(statistics),
            "constraints.json": encode_constraints(constraints),
        }
        capture = self.folder / "capture.jsonl"
        if capture.exists():
            schema = CaptureSchema(columns=tuple(constraints.features))
            profile = profile_capture(
                [CaptureFile(capture.name, [capture.read_bytes()])], schema, block_bytes=block_bytes
            )
            for dialect in Dialect:
                judgement = judge(profile, Baseline(constraints, statistics), JudgementRules(dialect=dialect))
                found[f"constraint_violations.{dialect}.json"] = encode_violations(judgement.findings)
        return found

    def expected(self, name: str) -> bytes | None:
        """Return the bytes on record, ``None`` where there must be no such file."""
        path = self.folder / "expected" / name
        return path.read_bytes() if path.exists() else None


def golden_cases() -> list[GoldenCase]:
    """Return all cases by name."""
    return [GoldenCase(folder) for folder in sorted(CASES.iterdir()) if folder.is_dir()]


def rewrite() -> None:
    """Put what the analysis gives now on record."""
    for case in golden_cases():
        for name, data in case.documents().items():
            path = case.folder / "expected" / name
            path.parent.mkdir(exist_ok=True)
            path.unlink(missing_ok=True)
            if data is not None:
                path.write_bytes(data)


if __name__ == "__main__":
    rewrite()
