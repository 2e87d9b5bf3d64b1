"""Names that CloudWatch takes: printable ASCII of limited length, different for different names."""

import unicodedata
from hashlib import sha256

_MAXIMUM_NAME = 255
_MAXIMUM_DIMENSION_VALUE = 1024


def metric_name(name: str) -> str:
    """Return ``name`` as a metric name that CloudWatch takes; plain ASCII names come back as they are."""
    return _ascii_name(name, _MAXIMUM_NAME)


def dimension_value(value: str) -> str:
    """Return ``value`` as a dimension value that CloudWatch takes; plain ASCII values come back as they are."""
    return _ascii_name(value, _MAXIMUM_DIMENSION_VALUE)


def _ascii_name(name: str, limit: int) -> str:
    """Return printable ASCII of at most ``limit`` characters, different for different names.

    What must change is changed readably (accents dropped, else ``_``) and gets a digest of the whole name as its
    end, since ``größe`` and ``grosse`` are two features.
    """
    if name.strip() and len(name) <= limit and all(" " <= char <= "~" for char in name):
        return name
    plain = unicodedata.normalize("NFKD", name)
    kept = "".join(char if " " <= char <= "~" else "_" for char in plain if not unicodedata.combining(char)).strip()
    suffix = f"-{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"{kept[: limit - len(suffix)] or '_'}{suffix}"
