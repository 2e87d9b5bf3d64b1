"""Numbers as people read them on a page, and as machines may read them from it."""

import math

from watchkeeper.analysis.html_element import Markup, element

MINUS = "\u2212"


def number_text(value: float) -> str:
    """Return ``value`` to four significant digits or decimals, with a true minus sign and ``∞`` for infinity."""
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "+∞" if value > 0 else f"{MINUS}∞"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e9 or size < 1e-6:
        text = f"{size:.3g}"
    elif size < 0.001:
        text = f"{float(f'{size:.2g}'):.7f}".rstrip("0")
    elif size < 1:
        text = f"{size:.4f}"
    else:
        text = f"{size:.4g}" if size < 1000 else f"{size:,.0f}"
    return f"{MINUS if value < 0 else ''}{text.replace('e-', f'e{MINUS}')}"


def share_text(share: float) -> str:
    """Return a share in 0..1 as a percentage with one decimal."""
    return f"{share * 100:.1f} %"


def change_text(change: float) -> str:
    """Return a change of a share in percentage points, with its sign."""
    points = round(change * 100, 1)
    sign = "+" if points > 0 else MINUS if points < 0 else "±"
    return f"{sign}{abs(points):.1f} pp"


def number(value: float) -> Markup:
    """Return ``value`` for people, with its full precision beside it for machines."""
    return element("data", number_text(value), value=repr(float(value)))
