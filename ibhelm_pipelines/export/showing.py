"""The HTML of a mail within a page of the export.

What mail_body made safe to be shown is narrowed here to what a page can hold beside others: no headings and landmarks
of its own, no colours (on our paper nobody could read some), no names that exist twice, and pictures only from the
export. The look that the writer gave it is in the .eml.

Invariant: what comes out has no address but of files of the export. Where a link led stands in its title.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import nh3

if TYPE_CHECKING:
    from collections.abc import Callable

_TAGS = frozenset({
    "a", "abbr", "b", "bdi", "bdo", "blockquote", "br", "caption", "code", "dd", "del", "div", "dl", "dt", "em", "hr",
    "i", "img", "ins", "kbd", "li", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strong", "sub", "sup",
    "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "var", "wbr",
})  # fmt: skip
_STYLES = frozenset({"font-style", "font-weight", "text-align", "text-decoration", "white-space"})
_PICTURE_DATA = re.compile(r"data:image/(?:png|jpe?g|gif|webp|bmp)[;,]", re.IGNORECASE)
_BLOCKS = re.compile(
    r"<(/?)(?:h[1-6]|header|footer|main|nav|section|article|aside|center|address)(?=[\s>])", re.IGNORECASE
)
_TAG = re.compile(r'<(a|img)((?: [a-z-]+(?:="[^"]*")?)*)(/?)>')
_ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"')

_CLEANER = nh3.Cleaner(
    tags=set(_TAGS),
    attributes={
        "*": {"style", "dir"},
        "a": {"href"},
        "img": {"src", "alt", "data-missive-attachment-id"},
        "td": {"colspan", "rowspan"},
        "th": {"colspan", "rowspan"},
    },
    filter_style_properties=set(_STYLES),
    url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
    link_rel=None,
)


def shown(source: str, picture: Callable[[str], str | None]) -> str:
    """Return safe HTML for a page.

    Args:
        source: HTML that mail_body.cleaning made.
        picture: the address, as the page names it, of a picture by its id at Missive; None where it is not there.
    """
    cleaned = _CLEANER.clean(_BLOCKS.sub(r"<\1div", source))
    return _TAG.sub(lambda match: _tag(match, picture), cleaned)


def _tag(match: re.Match[str], picture: Callable[[str], str | None]) -> str:
    said = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(match[2])}
    if match[1] == "a":
        return f'<a title="{html.escape(said["href"])}">' if said.get("href") else "<a>"
    own = said.get("src", "")
    address = (
        own if _PICTURE_DATA.match(own) else picture(said.get("data-missive-attachment-id") or own.removeprefix("cid:"))
    )
    alternative = said.get("alt") or "Bild"
    if address is None:
        return f'<span class="no-picture">[{html.escape(alternative)}]</span>'
    return f'<img src="{html.escape(address)}" alt="{html.escape(alternative)}">'
