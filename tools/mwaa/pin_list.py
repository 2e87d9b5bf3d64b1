"""A list of pinned packages: ``name==version`` a line, sorted, under a comment that says what it is."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
#: What lies in MWAA's image before anything of ours is installed.
BASE_IMAGE = FOLDER / "base_image.txt"
#: What MWAA gives to pip as a constraint whatever a requirements file says.
ESSENTIAL = FOLDER / "essential.txt"
#: What our requirements bring to that image.
ADDED = FOLDER / "added.txt"

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^\s;#]+)")


def normalised(name: str) -> str:
    """Return a package's name as indexes compare it: ``Flask_Login`` is ``flask-login``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(lines: Iterable[str]) -> dict[str, str]:
    """Return the versions by normalised name; ValueError for a line that is neither a pin nor a comment."""
    pins: dict[str, str] = {}
    for line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _PIN.match(text)
        if found is None:
            message = f"expected name==version, got {text!r}"
            raise ValueError(message)
        pins[normalised(found["name"])] = found["version"]
    return pins


def read_pin_file(path: Path) -> dict[str, str]:
    """Return the pins of a file (see ``read_pins``)."""
    return read_pins(path.read_text(encoding="utf-8").splitlines())


def pin_text(pins: Mapping[str, str], about: Iterable[str]) -> str:
    """Return the text of a list, ``about`` being the lines of the comment over it."""
    comment = "".join(f"# {line}\n" for line in about)
    return comment + "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def about(path: Path) -> tuple[str, ...]:
    """Return the lines of the comment over a list."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(line.removeprefix("#").strip() for line in lines if line.startswith("#"))
