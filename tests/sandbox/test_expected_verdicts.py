"""The scenes' promise, kept by the product's own analysis: what is expected is what is found, and no more."""

from collections import defaultdict
from datetime import UTC, datetime

import pytest

from tests.sandbox.conftest import Replayed
from tests.sandbox.test_replayed_traffic import invocations
from tests.sandbox_process import ROOT
from watchkeeper.analysis.capture_profile import CaptureProfile, profile_capture
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.constraint_evaluation import Baseline
from watchkeeper.analysis.constraint_suggestion import suggest_constraints
from watchkeeper.analysis.dataset_profile import profile_csv, profile_json_lines
from watchkeeper.analysis.dataset_statistics import statistics_of
from watchkeeper.analysis.finding import Outcome
from watchkeeper.analysis.judgement import judge
from watchkeeper.analysis.profile_merge import merge_profiles
from watchkeeper.operators.window_judgement import capture_schema, judgement_rules
from watchkeeper.registry.capture_window import Window
from watchkeeper.registry.endpoint_spec import EndpointSpec
from watchkeeper.registry.registry_files import load_registry

pytestmark = pytest.mark.sandbox


def baseline_of(replayed: Replayed, spec: EndpointSpec) -> Baseline:
    dataset = spec.baseline.dataset or ""
    bucket, _, key = dataset.removeprefix("s3://").partition("/")
    body = replayed.sandbox.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    read = profile_csv if spec.baseline.format == "csv" else profile_json_lines
    statistics = statistics_of(read([CaptureFile(dataset, [body])]))
    return Baseline(suggest_constraints(statistics), statistics)


def hourly_profiles(replayed: Replayed, spec: EndpointSpec, baseline: Baseline) -> dict[datetime, CaptureProfile]:
    s3 = replayed.sandbox.client("s3")
    files: defaultdict[datetime, list[CaptureFile]] = defaultdict(list)
    prefix = f"capture/{spec.endpoint_name}/AllTraffic/"
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="watchkeeper", Prefix=prefix):
        for item in page["Contents"]:
            hour = datetime.strptime(item["Key"].removeprefix(prefix)[:13], "%Y/%m/%d/%H").replace(tzinfo=UTC)
            body = s3.get_object(Bucket="watchkeeper", Key=item["Key"])["Body"].read()
            files[hour].append(CaptureFile(item["Key"], [body]))
    schema = capture_schema(spec, baseline.constraints)
    return {hour: profile_capture(hour_files, schema) for hour, hour_files in files.items()}


@pytest.mark.parametrize("endpoint", ["flights-delay", "order-quantity"])
def test_the_analysis_finds_exactly_what_is_expected(replayed: Replayed, endpoint: str) -> None:
    registry = load_registry(ROOT / "sandbox" / "endpoints" / "data_quality")
    registry.require_sound()
    spec = registry.endpoints[endpoint]
    baseline = baseline_of(replayed, spec)
    profiles = hourly_profiles(replayed, spec, baseline)
    counted = invocations(replayed, endpoint)
    empty = profile_capture([])
    expected, found = {}, {}
    for entry in replayed.expected["verdicts"]:
        if entry["endpoint"] != endpoint:
            continue
        window = Window.parse(entry["start"], entry["end"])
        hours = [hour.start for hour in window.hours()]
        profile = merge_profiles([profiles[hour] for hour in hours if hour in profiles]) if profiles else empty
        calls = sum(counted.get(hour.strftime("%Y-%m-%dT%H"), 0.0) for hour in hours)
        judgement = judge(profile, baseline, judgement_rules(spec), invocations=calls)
        violated = {
            (finding.feature, finding.check.value)
            for finding in judgement.findings
            if finding.outcome is Outcome.VIOLATED
        }
        key = (entry["period"], entry["start"])
        found[key] = (judgement.verdict.value, violated)
        expected[key] = (entry["verdict"], {(item["feature"], item["check"]) for item in entry["findings"]})
    assert found == expected
    assert len(found) == 48 + 2
