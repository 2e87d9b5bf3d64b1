"""Merged hours of labelled decisions about people, and the baseline they are judged by, in a deployment in moto."""

import json
import random
from datetime import UTC, datetime, timedelta

from tests.operators.conftest import BUCKET, context
from watchkeeper.aws.merge_manifest import MergeManifest
from watchkeeper.aws.merged_store import MergedFolder
from watchkeeper.operators.analyze_window import AnalyzeWindowOperator
from watchkeeper.operators.build_baseline import BuildBaselineOperator
from watchkeeper.registry.capture_window import HOUR, Window, moment_text

NOW = Window.hour_of(datetime.now(UTC) - HOUR)
BIAS = {
    "facets": [{"name": "sex", "values_or_threshold": ["f"]}],
    "label_values_or_threshold": [1],
    "inference_attribute": "loan",
    "periods": ["hourly"],
    "minimum_rows": 50,
}


def decisions(rows=400, *, against=0.0, seed=1):
    """Return sex, amount, label and prediction; ``against`` is the share of women refused what is due to them."""
    chance = random.Random(seed)
    found = []
    for _ in range(rows):
        sex, amount, label = chance.choice("fm"), chance.randrange(1, 100), chance.randrange(2)
        prediction = 0 if sex == "f" and chance.random() < against else label
        found.append((sex, amount, label, prediction))
    return found


class LabelledWorld:
    """One endpoint that lends, watched for bias."""

    def __init__(self, place, folder):
        self.place = place
        self.folder = folder
        self.endpoint()

    def endpoint(self, *, bias=None, **changes):
        """Write its file; ``bias`` changes the monitor's section."""
        document = {
            "capture": {
                "s3_uri": f"s3://{BUCKET}/capture",
                "input_columns": ["sex", "amount"],
                "output_columns": ["loan"],
            },
            "ground_truth": {"s3_uri": f"s3://{BUCKET}/truth"},
            "monitors": {"data_quality": {"enabled": False}, "bias": BIAS | (bias or {})},
            "baseline": {"bias": {"dataset": f"s3://{BUCKET}/decisions.csv"}},
        }
        self.place.endpoint(**(document | changes))

    def put(self, key, text):
        """Write an object and return its address."""
        self.place.s3.put_object(Bucket=BUCKET, Key=key, Body=text if isinstance(text, bytes) else text.encode())
        return f"s3://{BUCKET}/{key}"

    def dataset(self, rows=None, header="sex,amount,label,loan", key="decisions.csv"):
        """Write the baseline's dataset and return its address."""
        lines = [",".join(map(str, row)) for row in (decisions(2000) if rows is None else rows)]
        return self.put(key, "\n".join([header, *lines]) + "\n")

    def build(self, **fields):
        """Make the baseline and return its version."""
        return BuildBaselineOperator(task_id="b", endpoint="flights", monitor="bias", **fields).execute(context())

    def analysis(self, version):
        """Return a baseline's document."""
        return json.loads(self.place.deployment.baselines.document("flights", "bias", version, "analysis.json"))

    def capture(self, hour=NOW, name="a"):
        """Write a capture file of an hour, whose content nobody reads."""
        self.put(f"capture/flights-delay/AllTraffic/{hour.start_path}/{name}.jsonl", "{}\n")

    def merge(self, rows, hour=NOW, *, captured=None, line=None, digest="d", revision=1):
        """Merge an hour of labelled decisions."""
        self.capture(hour)
        path = self.folder / f"{hour.name}-{revision}.jsonl"
        path.write_text("".join((line or merged_line)(row, number, hour) for number, row in enumerate(rows)))
        manifest = MergeManifest(
            endpoint="flights",
            endpoint_name="flights-delay",
            variant="AllTraffic",
            hour=hour.name,
            digest=digest,
            capture_digest="c",
            capture_object_count=1,
            label_objects=(),
            captured_count=captured or len(rows),
            matched_count=len(rows),
            unmatched_count=(captured or len(rows)) - len(rows),
            malformed_capture_count=0,
            duplicate_label_count=0,
            conflicting_label_count=0,
            malformed_label_count=0,
            coverage=len(rows) / (captured or len(rows)),
            merge_rules=1,
            code_version="1",
            run_id="r",
            merged_at="2026-11-20T00:00:00Z",
            revision=revision,
        )
        store = self.place.deployment.merged
        folder = store.list_hours("flights", "AllTraffic", hour).get(hour, MergedFolder())
        assert store.write_hour(manifest, [path], folder) is not None

    def analyze(self, *hours):
        """Judge hours as the task does."""
        work = {"flights": [hour.name for hour in hours or (NOW,)]}
        AnalyzeWindowOperator(task_id="a", work=work, monitor="bias").execute(context())

    def result(self, hour=NOW):
        """Return an hour's newest result."""
        return self.place.deployment.reports.read_result("flights", "AllTraffic", "bias", "hourly", hour)


def merged_line(row, number, hour):
    """Return one merged record."""
    sex, amount, label, prediction = row
    record = {
        "captureData": {
            "endpointInput": {"data": f"{sex},{amount}", "encoding": "CSV", "mode": "INPUT"},
            "endpointOutput": {"data": f"{prediction}\n", "encoding": "CSV", "mode": "OUTPUT"},
        },
        "eventMetadata": {
            "eventId": f"{hour.name}-{number}",
            "inferenceTime": moment_text(hour.start + timedelta(seconds=number)),
        },
        "groundTruthData": {"data": str(label), "encoding": "CSV"},
        "eventVersion": "0",
    }
    return json.dumps(record) + "\n"
