"""A container run of model quality: a baseline of labelled predictions, or a window of merged records judged."""

import time
from collections.abc import Iterator
from dataclasses import replace

from watchkeeper.analysis.capture_profile import MalformedLines
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.finding import Outcome, Verdict
from watchkeeper.analysis.merged_profile import QualityProfile, profile_merged
from watchkeeper.analysis.quality_attributes import QualityAttributes
from watchkeeper.analysis.quality_constraints import (
    QualityConstraints,
    decode_quality_constraints,
    encode_quality_constraints,
    suggest_quality_constraints,
)
from watchkeeper.analysis.quality_dataset import quality_of_csv, quality_of_json_lines, quality_of_parquet
from watchkeeper.analysis.quality_evaluation import QualityBaseline
from watchkeeper.analysis.quality_judgement import QualityJudgement, QualityRules, judge_quality
from watchkeeper.analysis.quality_points import quality_points
from watchkeeper.analysis.quality_statistics import (
    QualityStatistics,
    decode_quality_statistics,
    encode_quality_statistics,
)
from watchkeeper.analysis.quality_violations import encode_quality_violations
from watchkeeper.container_job import ContainerJob, open_file
from watchkeeper.container_output import exit_message, progress, say, write_file, write_metric_lines, write_violations
from watchkeeper.errors import ContainerContractError


def analyze_quality(job: ContainerJob, attributes: QualityAttributes) -> str:
    """Do the job, write its files, and return its exit message."""
    started = time.monotonic()
    baseline = _baseline(job)
    profile = _profile(job, attributes)
    for reason, count in profile.malformed.reasons.items():
        say(f"malformed: {count} lines: {reason}")
    for reason, count in (profile.state.rejected if profile.state else {}).items():
        say(f"not judged: {count} rows: {reason}")
    if profile.state is None and not profile.malformed.count:
        return (
            "Completed: Job completed successfully; the window holds no labelled rows, so there was nothing to judge."
        )
    judgement = _judge(job, attributes, profile, baseline)
    if judgement.verdict is Verdict.FAILED:
        raise ContainerContractError("dataset", judgement.reason, "See the lines above")
    statistics = judgement.statistics
    if statistics is None:
        raise ContainerContractError("dataset", judgement.reason, "Check the attributes")
    _write_documents(job, statistics, judgement)
    if job.publish_metrics:
        violated = sum(finding.outcome is Outcome.VIOLATED for finding in judgement.findings)
        points = quality_points({name: metric.value for name, metric in statistics.metrics.items()}, violated)
        write_metric_lines(job, ((point.name, {"Value": point.value}) for point in points))
    if job.postprocessor is not None:
        from watchkeeper.container_scripts import run_postprocessor

        run_postprocessor(job.postprocessor)
    say(f"{profile.row_count} labelled rows in {time.monotonic() - started:.2f} s")
    if judgement.verdict is Verdict.TOO_FEW:
        return f"Completed: Job completed successfully; not judged: {judgement.reason}."
    return exit_message(sum(finding.outcome is Outcome.VIOLATED for finding in judgement.findings))


def _profile(job: ContainerJob, attributes: QualityAttributes) -> QualityProfile:
    paths = job.files()
    files: Iterator[CaptureFile] = map(open_file, paths)
    if job.preprocessor is not None:
        from watchkeeper.container_scripts import preprocessed_files

        files = preprocessed_files(job, paths)
    elif job.kind == "merged":
        return profile_merged(files, attributes, on_progress=progress)
    if job.kind == "parquet":
        state = quality_of_parquet(paths, attributes, on_progress=progress)
    elif job.kind == "csv" and job.preprocessor is None:
        state = quality_of_csv(files, attributes, header=job.csv_header, on_progress=progress)
    else:
        state = quality_of_json_lines(files, attributes, on_progress=progress)
    rows = state.row_count + state.rejected_count
    return QualityProfile(state, rows, rows, MalformedLines())


def _baseline(job: ContainerJob) -> QualityBaseline | None:
    source = job.baseline_constraints
    if source is None:
        return None
    constraints = decode_quality_constraints(source.read_bytes(), str(source))
    statistics = job.baseline_statistics
    if statistics is None:
        return QualityBaseline(constraints)
    return QualityBaseline(constraints, decode_quality_statistics(statistics.read_bytes(), str(statistics)))


def _judge(
    job: ContainerJob, attributes: QualityAttributes, profile: QualityProfile, baseline: QualityBaseline | None
) -> QualityJudgement:
    rules = QualityRules(job.dialect, job.minimum_rows, job.maximum_malformed_share)
    if baseline is None:
        # Nothing to be judged against, but unreadable data is unreadable all the same.
        baseline = QualityBaseline(QualityConstraints(attributes.problem_type, {}))
        rules = replace(rules, label_drift_threshold=None, prediction_drift_threshold=None)
    return judge_quality(profile, baseline, rules)


def _write_documents(job: ContainerJob, statistics: QualityStatistics, judgement: QualityJudgement) -> None:
    write_file(job.output / "statistics.json", encode_quality_statistics(statistics))
    suggested = suggest_quality_constraints(statistics)
    write_file(job.output / "constraints.json", encode_quality_constraints(suggested))
    write_violations(job, encode_quality_violations(judgement.findings))
