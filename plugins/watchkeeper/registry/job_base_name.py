"""What the runs of one job have in common: its name without times, numbers and random letters."""

import re

_OF_PIPELINE = re.compile(r"pipelines-[a-z0-9]{12}-(?P<step>.+)-[A-Za-z0-9]{10}")
_SEPARATOR = re.compile(r"[-_.]+")
_NUMBER = re.compile(r"[0-9]+|[0-9]{4,}T[0-9]+Z?|[0-9]{8,}Z")
_HEX = re.compile(r"(?=.*[0-9])[0-9a-fA-F]{8,}")
#: Random letters: long, and digits among them. What people write, such as resnet50, has fewer.
_RANDOM = re.compile(r"(?=(?:.*[0-9]){3})(?=.*[A-Za-z])[A-Za-z0-9]{10,}")
_LIMIT = 63


def job_base_name(name: str) -> str:
    """Return a job's name without what differs from run to run; the name itself where nothing else is left.

    A job that a SageMaker pipeline runs is called after its step: ``pipelines-Train``. At most 63 characters.
    """
    of_pipeline = _OF_PIPELINE.fullmatch(name)
    if of_pipeline is not None:
        return f"pipelines-{of_pipeline['step']}"[:_LIMIT]
    kept = [part for part in _SEPARATOR.split(name) if part and not _differs(part)]
    return ("-".join(kept) or name)[:_LIMIT]


def _differs(part: str) -> bool:
    return any(pattern.fullmatch(part) for pattern in (_NUMBER, _HEX, _RANDOM))
