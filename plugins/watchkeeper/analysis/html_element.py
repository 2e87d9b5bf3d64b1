"""HTML and SVG text in which everything is escaped that is not itself an element.

Names of facets and features, their values and reasons come from data: nothing reaches a page but through `element`.
"""

import html
import re
from collections.abc import Iterable

# Not allowed in HTML at all, and lone surrogates, which are no text.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_VOID = frozenset({"meta", "br", "hr"})
# What SVG closes itself; HTML's parser takes the slash in SVG only.
_SHAPES = frozenset({"circle", "line", "path", "rect", "polygon", "polyline"})


class Markup(str):
    """Text that is markup already: made by `element` alone."""

    __slots__ = ()


type Content = str | Iterable[Content] | None
type Attribute = str | float | bool | None


def escaped(text: str) -> str:
    """Return ``text`` for a text node or a quoted attribute; characters that HTML forbids become U+FFFD."""
    return html.escape(_FORBIDDEN.sub("\ufffd", text), quote=True)


def joined(*content: Content) -> Markup:
    """Return several pieces of content as one; text is escaped, ``None`` is nothing."""
    parts: list[str] = []
    for item in content:
        if item is None:
            continue
        if isinstance(item, Markup):
            parts.append(item)
        elif isinstance(item, str):
            parts.append(escaped(item))
        else:
            parts.append(joined(*item))
    return Markup("".join(parts))


def element(tag: str, *content: Content, **attributes: Attribute) -> Markup:
    """Return one element. A trailing underscore of an attribute's name is dropped (``class_``), others are hyphens.

    ``None`` and ``False`` leave an attribute out, ``True`` writes it without a value; numbers are shortened to two
    decimals, which is enough for coordinates.
    """
    text = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{text}>")
    if tag in _SHAPES and not content:
        return Markup(f"<{tag}{text}/>")
    return Markup(f"<{tag}{text}>{joined(*content)}</{tag}>")


def _attribute(name: str, value: Attribute) -> str:
    # viewBox is the one name that SVG spells in camel case here; keywords may carry it as it is.
    name = name.removesuffix("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    return f' {name}="{escaped(value if isinstance(value, str) else f"{round(value, 2):.12g}")}"'


def name_of(text: str, **attributes: Attribute) -> Markup:
    """Return a name from data, isolated so that its writing direction cannot disturb what is around it."""
    return element("bdi", text, **attributes)
