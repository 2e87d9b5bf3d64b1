"""A prefix of a bucket: read, list, and write on condition."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.service_failure import is_missing, is_taken, permission_named
from watchkeeper.errors import StoreError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef, PutObjectRequestTypeDef

_DELETED_AT_ONCE = 1000
_READERS = 8
_LISTINGS = 4


@dataclass(frozen=True)
class StoredObject:
    """One object's content, entity tag and user metadata."""

    body: bytes
    etag: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ListedObject:
    """One object as a listing shows it; ``key`` is relative to the store's prefix."""

    key: str
    etag: str
    size: int
    last_modified: datetime


class ObjectStore:
    """Objects below ``s3://bucket/prefix``; every key here is relative to that prefix."""

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        self.client = client

    def full_key(self, key: str) -> str:
        """Return the key in the bucket."""
        return f"{self.prefix}/{key}" if self.prefix else key

    def uri(self, key: str) -> str:
        """Return the ``s3://`` address of ``key``."""
        return f"s3://{self.bucket}/{self.full_key(key)}"

    def read(self, key: str) -> StoredObject | None:
        """Return the object, or ``None`` if there is none."""
        from botocore.exceptions import ClientError

        with permission_named("s3", self.uri(key)):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=self.full_key(key))
            except ClientError as error:
                if is_missing(error):
                    return None
                if "NoSuchBucket" in str(error):
                    raise self._no_bucket() from error
                raise
            return StoredObject(answer["Body"].read(), answer["ETag"], answer.get("Metadata", {}))

    def read_listed(self, keys: Callable[[], "list[str]"]) -> "list[bytes]":
        """Return the content of every object that ``keys`` lists, in that order.

        For objects that others put together into one, which is written before they are deleted: where one went away
        since it was listed, all are listed again. StoreError if that happens time and again.
        """
        for _ in range(_LISTINGS):
            wanted = keys()
            with ThreadPoolExecutor(_READERS) as readers:
                found = list(readers.map(self.read, wanted))
            bodies = [stored.body for stored in found if stored is not None]
            if len(bodies) == len(wanted):
                return bodies
        raise StoreError(
            self.uri(wanted[0]),
            f"objects went away {_LISTINGS} times while they were read",
            "See who deletes there; housekeeping does so only once what they held is written elsewhere.",
        )

    def metadata(self, key: str) -> Mapping[str, str] | None:
        """Return the object's user metadata, or ``None`` if there is no such object."""
        from botocore.exceptions import ClientError

        with permission_named("s3", self.uri(key)):
            try:
                return self.client.head_object(Bucket=self.bucket, Key=self.full_key(key)).get("Metadata", {})
            except ClientError as error:
                if is_missing(error):
                    return None
                if "NoSuchBucket" in str(error):
                    raise self._no_bucket() from error
                raise

    def write(
        self,
        key: str,
        body: bytes,
        *,
        only_if_absent: bool = False,
        only_if_etag: str | None = None,
        content_type: str = "application/json",
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """Write the object and return ``True``; return ``False`` if the condition did not hold.

        ``only_if_absent`` is S3's If-None-Match: *, ``only_if_etag`` its If-Match.
        """
        from botocore.exceptions import ClientError

        request: PutObjectRequestTypeDef = {
            "Bucket": self.bucket,
            "Key": self.full_key(key),
            "Body": body,
            "ContentType": content_type,
        }
        if metadata:
            request["Metadata"] = dict(metadata)
        if only_if_absent:
            request["IfNoneMatch"] = "*"
        if only_if_etag is not None:
            request["IfMatch"] = only_if_etag
        with permission_named("s3", self.uri(key)):
            try:
                self.client.put_object(**request)
            except ClientError as error:
                # If-Match on an object that vanished answers 404: the condition did not hold either.
                if is_taken(error) or (only_if_etag is not None and is_missing(error)):
                    return False
                if "NoSuchBucket" in str(error):
                    raise self._no_bucket() from error
                raise
        return True

    def delete(self, key: str) -> None:
        """Delete the object; no error if there is none."""
        with permission_named("s3", self.uri(key)):
            self.client.delete_object(Bucket=self.bucket, Key=self.full_key(key))

    def delete_many(self, keys: Sequence[str]) -> None:
        """Delete objects, a thousand a request; no error for one that is not there.

        StoreError names the first that S3 would not delete.
        """
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            batch = keys[start : start + _DELETED_AT_ONCE]
            with permission_named("s3", f"s3://{self.bucket}/{self.prefix}"):
                answer = self.client.delete_objects(
                    Bucket=self.bucket,
                    Delete={"Objects": [{"Key": self.full_key(key)} for key in batch], "Quiet": True},
                )
            for error in answer.get("Errors", []):
                found = f"S3 did not delete it ({error.get('Code')}), nor {len(answer['Errors']) - 1} others"
                raise StoreError(
                    f"s3://{self.bucket}/{error.get('Key')}", found, "Allow s3:DeleteObject below the prefix."
                )

    def folders(self, folder: str) -> Iterator[str]:
        """Yield the folders right below one, each with its last slash, in key order."""
        skip = len(self.full_key(""))
        for page in self._pages(Prefix=self.full_key(folder), Delimiter="/"):
            for item in page.get("CommonPrefixes", []):
                yield item["Prefix"][skip:]

    def list(self, folder: str, *, after: str = "") -> Iterator[ListedObject]:
        """Yield every object whose key starts with ``folder`` and comes after ``after``, in key order."""
        skip = len(self.full_key(""))
        selection = {"Prefix": self.full_key(folder), "StartAfter": self.full_key(after) if after else ""}
        for page in self._pages(**selection):
            for item in page.get("Contents", []):
                yield ListedObject(item["Key"][skip:], item["ETag"], item["Size"], item["LastModified"])

    def _pages(self, **selection: Any) -> "Iterator[ListObjectsV2OutputTypeDef]":
        from botocore.exceptions import ClientError

        with permission_named("s3", f"s3://{self.bucket}"):
            try:
                yield from self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, **selection)
            except ClientError as error:
                if "NoSuchBucket" in str(error):
                    raise self._no_bucket() from error
                raise

    def _no_bucket(self) -> StoreError:
        return StoreError(
            f"s3://{self.bucket}",
            "the bucket does not exist",
            "Create it, or correct the bucket in the settings (WATCHKEEPER_BUCKET) or in the endpoint's file.",
        )
