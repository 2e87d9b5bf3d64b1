"""Captures and labels as they lie in S3, for a deployment in moto."""

import json
from datetime import timedelta

from tests.operators.conftest import BUCKET


def capture_text(ids, inference_ids=None):
    """Return captured lines with these event ids."""
    lines = []
    for number, key in enumerate(ids):
        metadata = {"eventId": key, "inferenceTime": "2026-11-20T05:00:00Z"}
        if inference_ids:
            metadata["inferenceId"] = inference_ids[number]
        side = {"observedContentType": "text/csv", "mode": "INPUT", "data": f"{number},x", "encoding": "CSV"}
        lines.append({"captureData": {"endpointInput": side}, "eventMetadata": metadata, "eventVersion": "0"})
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def label_text(ids, data="1"):
    """Return label lines for these ids."""
    return "".join(
        json.dumps(
            {
                "groundTruthData": {"data": data, "encoding": "CSV"},
                "eventMetadata": {"eventId": key},
                "eventVersion": "0",
            }
        )
        + "\n"
        for key in ids
    )


class Labelled:
    """An endpoint with labels: what comes, and what is stored."""

    def __init__(self, place, end):
        self.place = place
        self.end = end
        self.store = place.deployment.merged

    def hour(self, ago):
        """Return the complete hour so many hours before the newest."""
        return self.end.shifted(timedelta(hours=-ago))

    def capture(self, hour, ids, name="a", variant="AllTraffic", **options):
        key = f"capture/flights-delay/{variant}/{hour.start_path}/{name}.jsonl"
        self.place.s3.put_object(Bucket=BUCKET, Key=key, Body=capture_text(ids, **options).encode())
        return key

    def label(self, hour, ids, name="a", data="1"):
        text = ids if isinstance(ids, str) else label_text(ids, data)
        key = f"labels/{hour.start_path}/{name}.jsonl"
        self.place.s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
        return key

    def manifest(self, hour, variant="AllTraffic"):
        return self.store.read_manifest("flights", variant, hour)

    def merged(self, hour, variant="AllTraffic"):
        """Return the labels of an hour's merged records by event id, read as a reader does."""
        found = {}
        for part in self.store.open_parts(self.manifest(hour, variant)):
            for line in b"".join(part.chunks).splitlines():
                record = json.loads(line)
                found[record["eventMetadata"]["eventId"]] = record["groundTruthData"]["data"]
        return found

    def summary(self):
        return self.store.read_summary("flights")[0]

    def stored(self, folder="merged/"):
        listed = self.place.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"wk/{folder}").get("Contents", [])
        return {item["Key"][3:]: (item["ETag"], item["LastModified"]) for item in listed}

    def parts(self, hour, variant="AllTraffic"):
        folder = f"merged/flights/{variant}/{hour.start_path}/"
        return {key.rpartition("/")[2] for key in self.stored(folder) if key.endswith(".jsonl")}
