"""The environments that peers run in: each its own, pinned, because no environment can hold them all."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
WHYLOGS, EVIDENTLY, SCIKIT_LEARN = "whylogs", "evidently", "scikit-learn"


def pins_of(name: str) -> Path:
    """Return the file that pins everything in a peer's environment."""
    return FOLDER / "peers" / f"{name}.txt"


def pinned_version(package: str, peer: str) -> str:
    """Return the version of a package in a peer's environment."""
    found = (line.partition("==") for line in pins_of(peer).read_text().splitlines())
    return next((rest.split()[0] for key, _, rest in found if key == package), "unknown")


def peer_python(name: str) -> Path:
    """Return the interpreter of a peer's environment."""
    return ROOT / f".venv-bench-{name}" / "bin" / "python"


def make_environment(name: str) -> None:
    """Install a peer, unless the environment is there with these pins."""
    pins, folder = pins_of(name), peer_python(name).parent.parent
    ready = folder / ".ready"
    if ready.exists() and ready.read_text() == pins.read_text():
        return
    print(f"installing {name} into {folder.name} (once)", file=sys.stderr, flush=True)
    subprocess.run([str(ROOT / "tools/make-environment"), str(folder), str(pins), str(pins)], check=True, cwd=ROOT)
    ready.write_text(pins.read_text())
