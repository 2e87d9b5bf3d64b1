"""What the figures depend on: the machine, and the versions of what was measured."""

import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from benchmarks.contenders import PEER_PINS

_OUR_PACKAGES = ("msgspec", "numpy", "polars", "polars-hash", "scipy", "pandas")


def machine_facts() -> str:
    """Return a sentence about the machine and one about versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    ours = ", ".join(f"{name} {version(name)}" for name in _OUR_PACKAGES)
    peers = ", ".join(f"{name} {_pinned(name, path)}" for name, path in PEER_PINS.items())
    return (
        f"Machine: {_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux {platform.release()}, "
        f"load average {load:.1f} at the start. Versions: Python {platform.python_version()}, {ours}; {peers} "
        "(in environments of their own, with "
        + " and ".join(f"pandas {_pinned('pandas', path)}" for path in PEER_PINS.values())
        + ")."
    )


def _pinned(name: str, pins: Path) -> str:
    found = (line.partition("==") for line in pins.read_text().splitlines())
    return next((rest.split()[0] for key, _, rest in found if key == name), "unknown")


def _processor() -> str:
    return next(_processor_names(), platform.machine())


def _processor_names() -> Iterator[str]:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            yield value.strip()
