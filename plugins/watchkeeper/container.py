"""The container contracts of Model Monitor and SageMaker Clarify: variables or a configuration in, documents out.

Run as ``python -m watchkeeper.container [--root DIR]`` or ``watchkeeper-analyze``. Exit status 0 when the analysis ran,
violations or not; 1 when it could not, with the reason on standard error and in ``output/message``.
"""

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

# One thread each, read when they are first imported: these vectors are short, and threads would mostly wait for one
# another (a tenth of the CPU seconds). Who wants more runs more windows side by side.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "1")

from watchkeeper.analysis.capture_profile import CaptureProfile, MalformedLines, profile_capture
from watchkeeper.analysis.capture_records import CaptureFile, CaptureSchema
from watchkeeper.analysis.constraint_evaluation import Baseline
from watchkeeper.analysis.constraint_set import ConstraintSet, MonitoringConfig, decode_constraints, encode_constraints
from watchkeeper.analysis.constraint_suggestion import suggest_constraints
from watchkeeper.analysis.dataset_profile import profile_csv, profile_json_lines, profile_parquet
from watchkeeper.analysis.dataset_statistics import DatasetStatistics, decode_statistics, encode_statistics
from watchkeeper.analysis.feature_metrics import StatisticSet, drift_distances, feature_metrics
from watchkeeper.analysis.finding import Finding, Outcome, Verdict
from watchkeeper.analysis.judgement import Judgement, JudgementRules, judge
from watchkeeper.analysis.violation_report import encode_violations
from watchkeeper.container_job import ContainerJob, open_file, read_job
from watchkeeper.container_output import exit_message, progress, say, write_file, write_metric_lines, write_violations
from watchkeeper.container_quality import analyze_quality
from watchkeeper.errors import ContainerContractError, WatchkeeperError

_MESSAGE_FILE = "output/message"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job that this process's environment describes; return the exit status."""
    parser = argparse.ArgumentParser(prog="watchkeeper-analyze", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("/opt/ml"), help="the folder that stands for /opt/ml")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    return run(os.environ, options.root)


def _stop(number: int, _frame: object) -> None:
    """End by an exception, so that what this run has made in SageMaker is deleted; no second signal interrupts that."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def run(environment: Mapping[str, str], root: Path) -> int:
    """Do one job in the folders under ``root``; return the exit status (see the module)."""
    try:
        message = _analyze(read_job(environment, root))
    except WatchkeeperError as error:
        say(f"error: {error}")
        write_file(root / _MESSAGE_FILE, f"Failed: {error}".encode())
        return 1
    except SystemExit:
        write_file(root / _MESSAGE_FILE, b"Failed: the job was stopped")
        raise
    except Exception as error:  # noqa: BLE001 - whatever happens, the platform needs its message
        # Where it happened, but not the exception's own text: it may quote a value of the dataset.
        name = type(error).__name__
        say(f"{''.join(traceback.format_tb(error.__traceback__))}error: {name}; please report this")
        write_file(root / _MESSAGE_FILE, f"Failed: {name}".encode())
        return 1
    say(message)
    write_file(root / _MESSAGE_FILE, message.encode())
    return 0


def _analyze(job: ContainerJob) -> str:
    if job.quality is not None:
        return analyze_quality(job, job.quality)
    if job.clarify is not None:
        from watchkeeper.container_clarify import analyze_clarify

        return analyze_clarify(job, job.clarify)
    started = time.monotonic()
    baseline = _baseline(job)
    profile = _profile(job, baseline)
    for reason, count in profile.malformed.reasons.items():
        say(f"malformed: {count} lines: {reason}")
    if profile.state is None and not profile.malformed.count:
        return "Completed: Job completed successfully; the window holds no rows, so there was nothing to judge."
    judgement = _judge(job, profile, baseline)
    if judgement.verdict is Verdict.FAILED:
        raise ContainerContractError("dataset", judgement.reason, "See the malformed lines above")
    statistics = judgement.statistics or DatasetStatistics(0, {})
    _write_documents(job, statistics, judgement.findings)
    if job.publish_metrics:
        _write_metrics(job, statistics, judgement.findings)
    if job.postprocessor is not None:
        from watchkeeper.container_scripts import run_postprocessor

        run_postprocessor(job.postprocessor)
    say(f"{profile.row_count} rows of {len(statistics.features)} columns in {time.monotonic() - started:.2f} s")
    if judgement.verdict is Verdict.TOO_FEW:
        return f"Completed: Job completed successfully; not judged: {judgement.reason}."
    return exit_message(sum(finding.outcome is Outcome.VIOLATED for finding in judgement.findings))


def _profile(job: ContainerJob, baseline: Baseline | None) -> CaptureProfile:
    paths = job.files()
    if job.kind == "parquet":
        state = profile_parquet(paths, on_progress=progress)
        return CaptureProfile(state, state.row_count, state.row_count, MalformedLines())
    files: Iterator[CaptureFile] = map(open_file, paths)
    if job.preprocessor is not None:
        from watchkeeper.container_scripts import preprocessed_files

        files = preprocessed_files(job, paths)
    if job.kind == "capture":
        schema = CaptureSchema(
            columns=_baseline_columns(baseline),
            output_columns_position=job.output_columns_position,
            sides=job.capture_sides,
        )
        return profile_capture(files, schema, on_progress=progress)
    if job.kind == "csv" and job.preprocessor is None:
        columns = None if job.csv_header else _baseline_columns(baseline)
        state = profile_csv(files, header=job.csv_header, columns=columns, on_progress=progress)
    else:
        state = profile_json_lines(files, on_progress=progress)
    return CaptureProfile(state, state.row_count, state.row_count, MalformedLines())


def _baseline_columns(baseline: Baseline | None) -> tuple[str, ...] | None:
    return tuple(baseline.constraints.features) if baseline else None


def _baseline(job: ContainerJob) -> Baseline | None:
    if job.baseline_constraints is None:
        return None
    constraints = decode_constraints(job.baseline_constraints.read_bytes(), str(job.baseline_constraints))
    if job.baseline_statistics is None:
        return Baseline(constraints)
    source = job.baseline_statistics
    return Baseline(constraints, decode_statistics(source.read_bytes(), str(source)))


def _judge(job: ContainerJob, profile: CaptureProfile, baseline: Baseline | None) -> Judgement:
    rules = JudgementRules(job.dialect, job.minimum_rows, job.maximum_malformed_share)
    # Without a baseline there is nothing to be judged against, but unreadable data is unreadable all the same.
    return judge(profile, baseline or Baseline(ConstraintSet({}, MonitoringConfig(evaluate_constraints=False))), rules)


def _write_documents(job: ContainerJob, statistics: DatasetStatistics, findings: Sequence[Finding]) -> None:
    config = MonitoringConfig()
    if job.categorical_drift_method:
        config = replace(config, categorical_drift_method=job.categorical_drift_method)
    write_file(job.output / "statistics.json", encode_statistics(statistics))
    write_file(job.output / "constraints.json", encode_constraints(suggest_constraints(statistics, config)))
    write_violations(job, encode_violations(findings))


def _write_metrics(job: ContainerJob, statistics: DatasetStatistics, findings: Sequence[Finding]) -> None:
    metrics = feature_metrics(statistics, drift_distances(findings))
    write_metric_lines(job, ((metric.name, _figures(metric.value)) for metric in metrics))


def _figures(value: float | StatisticSet) -> dict[str, object]:
    match value:
        case StatisticSet(count, total, minimum, maximum):
            return {"StatisticValues": {"SampleCount": count, "Sum": total, "Minimum": minimum, "Maximum": maximum}}
        case number:
            return {"Value": number}


if __name__ == "__main__":
    sys.exit(main())
