"""What a model artifact is made of, and the image that the sandbox trains, evaluates and serves with."""

import gzip
import io
import tarfile
from collections.abc import Mapping

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/sandbox-linear-model:1"


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return a ``tar.gz`` of files by name; the same files give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)
