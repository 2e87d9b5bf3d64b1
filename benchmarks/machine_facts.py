"""What the figures depend on: the machine, and the versions of what was measured."""

import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from benchmarks.peer_environment import pinned_version

_OUR_PACKAGES = ("msgspec", "numpy", "polars", "polars-hash", "scipy", "pandas")


def machine_facts(*peers: str) -> str:
    """Return a sentence about the machine and one about versions: ours, and those in the peers' environments."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    packages = ", ".join(f"{name} {version(name)}" for name in _OUR_PACKAGES)
    others = ", ".join(
        f"{name} {pinned_version(name, name)} (in an environment of its own, with pandas "
        f"{pinned_version('pandas', name)})"
        for name in peers
    )
    versions = "; ".join(filter(None, (packages, others)))
    return (
        f"Machine: {_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux {platform.release()}, "
        f"load average {load:.1f} at the start. Versions: Python {platform.python_version()}, {versions}."
    )


def _processor() -> str:
    return next(_processor_names(), platform.machine())


def _processor_names() -> Iterator[str]:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            yield value.strip()
