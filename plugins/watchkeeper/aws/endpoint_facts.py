"""Read a live endpoint and write its first file: ``python -m watchkeeper.aws.endpoint_facts NAME``."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.analysis.own_requests import without_own
from watchkeeper.aws.capture_store import CaptureStore
from watchkeeper.aws.client_access import AwsAccess
from watchkeeper.aws.sagemaker_hook import EndpointHook
from watchkeeper.errors import WatchkeeperError
from watchkeeper.registry.capture_window import HOUR, Window
from watchkeeper.registry.endpoint_draft import CapturedSide, EndpointFacts, draft_endpoint_file
from watchkeeper.registry.include_folder import find_include

#: How far back a captured line is looked for.
LOOK_BACK_HOURS = 48


def read_endpoint_facts(endpoint_name: str, access: AwsAccess, now: datetime) -> EndpointFacts:
    """Return what AWS tells about a live endpoint, a captured line's shape included; never a captured value.

    Raises EndpointStateError if there is no such endpoint, PermissionMissingError where AWS refuses.
    What cannot be read of the capture is left unknown.
    """
    hook = access.open(EndpointHook)
    live = hook.require_endpoint(endpoint_name)
    config = hook.endpoint_config(live.config_name)
    capture: dict[str, Any] = config.get("DataCaptureConfig") or {}
    headers = capture.get("CaptureContentTypeHeader") or {}
    variants = live.variants or tuple(variant["VariantName"] for variant in config["ProductionVariants"])
    request, response = _captured_sides(capture.get("DestinationS3Uri"), endpoint_name, variants, access, now)
    return EndpointFacts(
        endpoint_name=endpoint_name,
        region_name=access.region_name,
        aws_conn_id=access.aws_conn_id or "aws_default",
        role_arn=access.role_arn,
        variants=variants,
        model_version=_model_version(hook, config),
        capture_enabled=bool(capture.get("EnableCapture")),
        capture_s3_uri=capture.get("DestinationS3Uri"),
        sampling_percentage=capture.get("InitialSamplingPercentage"),
        kms_key_id=capture.get("KmsKeyId"),
        csv_content_types=tuple(headers.get("CsvContentTypes", ())),
        json_content_types=tuple(headers.get("JsonContentTypes", ())),
        request=request,
        response=response,
        tags=_tags(hook, endpoint_name),
    )


def _model_version(hook: EndpointHook, config: dict[str, Any]) -> str | None:
    """Return the version of the registered model package in service, if there is exactly one."""
    versions = set()
    for variant in config.get("ProductionVariants", ()):
        if not variant.get("ModelName"):
            continue
        model: Mapping[str, Any] = hook.client.describe_model(ModelName=variant["ModelName"])
        containers: list[Any] = [model.get("PrimaryContainer") or {}, *(model.get("Containers") or [])]
        versions |= {str(arn).rpartition("/")[2] for item in containers if (arn := item.get("ModelPackageName"))}
    return versions.pop() if len(versions) == 1 else None


def _tags(hook: EndpointHook, endpoint_name: str) -> dict[str, str]:
    arn = hook.client.describe_endpoint(EndpointName=endpoint_name)["EndpointArn"]
    pages = hook.client.get_paginator("list_tags").paginate(ResourceArn=arn)
    return {
        tag["Key"]: tag["Value"] for page in pages for tag in page.get("Tags", []) if not tag["Key"].startswith("aws:")
    }


def _captured_sides(
    s3_uri: str | None, endpoint_name: str, variants: tuple[str, ...], access: AwsAccess, now: datetime
) -> tuple[CapturedSide | None, CapturedSide | None]:
    """Return the shapes of the request and response of the newest readable captured line."""
    if not s3_uri:
        return None, None
    store = CaptureStore(s3_uri, access.client("s3"))
    for age in range(LOOK_BACK_HOURS):
        hour = Window.hour_of(now - age * HOUR)
        for variant in variants:
            for item in reversed(store.list_window(endpoint_name, variant, hour)):
                record = _first_record(store.first_bytes(item)) if item.size else None
                if record is not None:
                    sides = record.get("captureData", {})
                    return _side(sides.get("endpointInput")), _side(sides.get("endpointOutput"))
    return None, None


def _first_record(body: bytes) -> dict[str, Any] | None:
    try:
        record = msgspec.json.decode(without_own(body).lstrip(b"\n").split(b"\n", 1)[0])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return record if isinstance(record, dict) else None


def _side(side: dict[str, Any] | None) -> CapturedSide | None:
    if not side:
        return None
    encoding = str(side.get("encoding", ""))
    content_type = str(side.get("observedContentType", ""))
    first_row = str(side.get("data", "")).split("\n", 1)[0]
    if encoding == "CSV":
        # Here and not above: it brings polars, which only this command needs.
        from watchkeeper.analysis.capture_records import PayloadError
        from watchkeeper.analysis.csv_payload import parse_csv

        try:
            rows = parse_csv(str(side.get("data", ""))).fields
        except PayloadError:
            return CapturedSide(encoding, content_type)
        return CapturedSide(encoding, content_type, len(rows[0]))
    if encoding == "JSON":
        names = _flat_names(str(side.get("data", "")), first_row)
        return CapturedSide(encoding, content_type, len(names) or None, names)
    return CapturedSide(encoding, content_type)


def _flat_names(data: str, first_row: str) -> tuple[str, ...]:
    for text in (data, first_row):
        try:
            value = json.loads(text)
        except ValueError:
            continue
        row = value[0] if isinstance(value, list) and value else value
        if isinstance(row, dict) and not any(isinstance(item, dict | list) for item in row.values()):
            return tuple(row)
    return ()


def write_endpoint_file(text: str, registry_id: str, folder: Path) -> Path:
    """Write the draft as ``{registry_id}.yaml`` and return its path; FileExistsError if there is such a file."""
    path = folder / f"{registry_id}.yaml"
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    return path


def _remedy(error: Exception) -> str:
    from botocore.exceptions import NoCredentialsError, NoRegionError, PartialCredentialsError

    match error:
        case NoRegionError():
            return "Set AWS_DEFAULT_REGION, or give --region-name (make endpoint NAME=… ARGS='--region-name …')"
        case NoCredentialsError() | PartialCredentialsError():
            return "Log in (aws sso login), set AWS_PROFILE, or give --aws-conn-id"
        case _:
            return "Check the region, the credentials and the network (aws sts get-caller-identity)"


def main(arguments: list[str] | None = None) -> int:
    """Draft an endpoint file from the command line; return the exit status."""
    from botocore.exceptions import BotoCoreError, ClientError

    parser = argparse.ArgumentParser(prog="python -m watchkeeper.aws.endpoint_facts", description=__doc__)
    parser.add_argument("name", help="SageMaker's name of the endpoint")
    parser.add_argument("--region-name", help="the endpoint's region (default: the environment's)")
    parser.add_argument("--aws-conn-id", help="the Airflow connection to use (default: boto3's own chain)")
    parser.add_argument("--role-arn", help="a role to assume with these credentials (default: none)")
    parser.add_argument("--folder", type=Path, help="where to write the file (default: include/endpoints)")
    parser.add_argument("--print", action="store_true", dest="to_screen", help="print the file, write nothing")
    options = parser.parse_args(arguments)
    try:
        access = AwsAccess(options.aws_conn_id, options.region_name, role_arn=options.role_arn)
        text = draft_endpoint_file(read_endpoint_facts(options.name, access, datetime.now(UTC)))
        if options.to_screen:
            sys.stdout.write(text)
            return 0
        configured = os.environ.get("WATCHKEEPER_ENDPOINTS")
        folder = options.folder or (Path(configured) if configured else find_include() / "endpoints")
        path = write_endpoint_file(text, options.name, folder)
    except FileExistsError as error:
        sys.stderr.write(f"{error.filename} exists already; remove it first, or compare with --print\n")
        return 1
    except WatchkeeperError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(f"AWS could not be asked: {str(error).rstrip('.')}. {_remedy(error)}\n")
        return 1
    sys.stdout.write(f"wrote {path}; fill in the lines marked '# unknown:', then run make check\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
