"""What an instance type has: SageMaker's CPU and GPU percentages are summed over cores and over GPUs."""

import re

_TYPE = re.compile(r"(?:ml\.)?(?P<family>[a-z]+\d+[a-z-]*\d*[a-z]*)\.(?P<size>\d*x?large|medium|small)")
#: Types whose vCPUs are not four per unit of size.
_ODD_CPUS = {"c4.8xlarge": 36, "c6g.medium": 1, "c7g.medium": 1, "m6g.medium": 1, "m7g.medium": 1}
_SMALL_CPUS = {"small": 2, "medium": 2, "large": 2, "xlarge": 4}
_GPU_FAMILY = re.compile(r"(?:p[2-9]|g[3-9]|gr[6-9])[a-z]*(?:-[a-z]+\d+[a-z]*)?")
_WHOLE_HOSTS = re.compile(r"p[4-9]")
#: The sizes of the g families that hold more than one GPU.
_GPUS_BY_SIZE = {12: 4, 24: 4, 48: 8}


def cpu_count(instance_type: str) -> int | None:
    """Return the vCPUs of an instance type such as ``ml.m5.xlarge``; ``None`` for a type of another form."""
    found = _TYPE.fullmatch(instance_type)
    if found is None:
        return None
    size = found["size"]
    odd = _ODD_CPUS.get(f"{found['family']}.{size}")
    return odd or _SMALL_CPUS.get(size) or 4 * _units(size)


def gpu_count(instance_type: str) -> int:
    """Return the GPUs of an instance type; 0 for one without any, and for chips that are no GPUs (Inferentia)."""
    found = _TYPE.fullmatch(instance_type)
    if found is None or _GPU_FAMILY.fullmatch(found["family"]) is None:
        return 0
    family, units = found["family"], _units(found["size"])
    if family == "p2":
        return {1: 1, 8: 8, 16: 16}.get(units, 1)
    if family.startswith("p3"):
        return 8 if units == 24 else max(1, units // 2)
    if _WHOLE_HOSTS.match(family):
        return 1 if units == 4 else 8
    return _GPUS_BY_SIZE.get(units, 1)


def _units(size: str) -> int:
    """Return the factor of a size: 12 for 12xlarge, 1 for xlarge and everything smaller."""
    digits = size.removesuffix("xlarge")
    return int(digits) if digits.isdigit() else 1
