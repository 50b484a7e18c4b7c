"""HTML of a mail made safe to show: no script, no form, no request to anybody.

The sanitiser is nh3, the Python face of Mozilla-born ammonia: an HTML5 parser and an allow-list, so that what a browser
would see is what is judged. Of classes, ids and styles stays what mail programs mark quotes and signatures with, and
what shows a table as it was pasted.

Invariant: what `clean` returns loads nothing. Pictures keep the mark of Missive's attachment, a cid: name or their own
bytes (data:); the address of a picture elsewhere is dropped, since to show it tells the sender that, when and where
somebody reads; its alternative text stays. Links stay links: they load nothing until a person clicks.
"""

from __future__ import annotations

import re

import nh3

from ibhelm_pipelines.html_tokens import SILENT, tokens
from ibhelm_pipelines.mail_body.bounding import bounded

MAX_UNBOUNDED_CHARS = 50_000
"""What a parser with quadratic corners may be given as it is: the worst found took a second."""


def _names(text: str) -> set[str]:
    return set(text.split())


SIGNATURE_MARKS = frozenset({
    "moz-signature", "gmail_signature", "signature", "applemailsignature", "ms-outlook-mobile-signature",
    "outlookmobilesignature", "protonmail_signature_block", "tutanota_signature", "mail_signature",
})  # fmt: skip
QUOTE_MARKS = frozenset({"gmail_quote", "protonmail_quote", "yahoo_quoted", "moz-email-quote", "tutanota_quote"})
ATTRIBUTION_MARKS = frozenset({"moz-cite-prefix", "gmail_attr"})
_MARKS = SIGNATURE_MARKS | QUOTE_MARKS | ATTRIBUTION_MARKS

_TAGS = _names("""
    a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del details dfn
    div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main nav ol p pre q s samp
    section small span strike strong sub summary sup table tbody td tfoot th thead tr tt u ul var wbr
""")
_HTML = _TAGS | SILENT | {"html", "head", "body", "meta", "link"}
_EVERYWHERE = {"class", "id", "style", "title", "dir", "lang"}
_ATTRIBUTES = {
    "*": _EVERYWHERE,
    "a": {"href"},
    "blockquote": {"type"},
    "col": {"span", "width"},
    "colgroup": {"span", "width"},
    "font": {"color", "face", "size"},
    "img": {"src", "alt", "width", "height", "data-missive-attachment-id"},
    "ol": {"start", "type"},
    "table": {"align", "bgcolor", "border", "cellpadding", "cellspacing", "width"},
    "td": {"align", "bgcolor", "colspan", "height", "rowspan", "valign", "width"},
    "th": {"align", "bgcolor", "colspan", "height", "rowspan", "valign", "width"},
    "tr": {"align", "bgcolor", "valign"},
}
# No property that takes an address, moves things over others or hides them.
_STYLES = _names("""
    background-color border border-bottom border-collapse border-color border-left border-right border-spacing
    border-style border-top border-width color direction font font-family font-size font-style font-weight height
    line-height list-style-type margin margin-bottom margin-left margin-right margin-top padding padding-bottom
    padding-left padding-right padding-top text-align text-decoration text-indent vertical-align white-space width
""")
_PICTURE = re.compile(r"cid:|data:image/(?:png|jpe?g|gif|webp|bmp)[;,]", re.IGNORECASE)
_LINK = re.compile(r"(?:https?|mailto|tel):", re.IGNORECASE)


def _attribute(_tag: str, name: str, value: str) -> str | None:
    """Return what stays of an attribute that is allowed by its name."""
    if name in ("class", "id"):
        return " ".join(mark for mark in value.split() if mark.lower() in _MARKS) or None
    if name == "style":
        return None if "url" in value.lower() or "\\" in value else value or None
    if name == "src":
        return value if _PICTURE.match(value) else None
    if name == "href":
        return value if _LINK.match(value) else None
    return value


_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags=set(SILENT),
    attributes=_ATTRIBUTES,
    attribute_filter=_attribute,
    filter_style_properties=_STYLES,
    url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
    url_relative="deny",
)


def clean(source: str) -> str:
    """Return HTML that a browser shows without asking anybody for anything."""
    return _CLEANER.clean(source if len(source) <= MAX_UNBOUNDED_CHARS else bounded(source))


def is_html(source: str) -> bool:
    """Tell whether a body has tags; one without has lines instead, and "<max@example.org>" is an address."""
    is_declared = source.lstrip()[:9].lower().startswith(("<!--", "<!doctype"))
    return is_declared or any(token.tag in _HTML for token in tokens(source))
