"""HTML built of elements, so that what comes from names and files is escaped everywhere."""

import html


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: str | int | None) -> Markup:
    """An HTML element.

    Args:
        name: of the element.
        children: what is in it; escaped unless it is :class:`Markup`.
        attributes: a ``_`` at the end is dropped (``class_``), others become ``-``
            (``aria_label``); None leaves an attribute out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*parts: str) -> Markup:
    """Parts one after the other, escaped unless they are :class:`Markup`."""
    return Markup(
        "".join(part if isinstance(part, Markup) else html.escape(part) for part in parts)
    )


def table(caption: str, header: list[str], rows: list[Markup], *, class_: str) -> Markup:
    """A table that may be scrolled sideways where the screen is narrow, by keyboard as well.

    Args:
        caption: what it tells; above it.
        header: names of the columns, the first being the rows' own.
        rows: ``tr`` elements.
        class_: for its looks.
    """
    head = element("tr", *(element("th", name, scope="col") for name in header))
    whole = element(
        "table",
        element("caption", caption),
        element("thead", head),
        element("tbody", *rows),
        class_=class_,
    )
    return element("div", whole, class_="scrolls", tabindex=0, role="region", aria_label=caption)
