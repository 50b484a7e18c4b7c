"""How a document looks on the search page: its kind in German, its icon, its preview."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.web.templating import web_address

if TYPE_CHECKING:
    from ibhelm_pipelines.search.results import DocumentKind, Hit

NAMELESS = "(ohne Titel)"
LONGEST_LABEL = 5

_KINDS: dict[DocumentKind, str] = {
    "file": "Datei",
    "email": "Mail",
    "email_comment": "Kommentar zur Mail",
    "task": "Aufgabe",
    "task_comment": "Kommentar zur Aufgabe",
}
_ICONS: dict[DocumentKind, tuple[str, str]] = {
    "email": ("email", "mail"),
    "email_comment": ("comment", "mail"),
    "task": ("task", "task"),
    "task_comment": ("comment", "task"),
}
_FAMILIES: dict[str, tuple[str, str]] = {
    extension: look
    for look, extensions in {
        ("text", "pdf"): "pdf",
        ("drawing", "drawing"): "dwg dxf dgn ifc rvt rfa skp step stp plt",
        ("table", "table"): "xls xlsx xlsm xlsb ods csv tsv d83 x83 x84 p83 x81 x86 gaeb",
        ("text", "letter"): "doc docx docm odt rtf txt md pages",
        ("picture", "picture"): "jpg jpeg png gif webp avif bmp tif tiff heic heif svg psd",
        ("email", "mail"): "eml msg",
        ("box", "box"): "zip 7z rar tar gz tgz iso",
    }.items()
    for extension in extensions.split()
}


@dataclass(frozen=True, kw_only=True)
class Look:
    """What stands for a document.

    Attributes:
        kind: in German.
        icon: symbol of _icons.html.
        family: which colour it has.
        label: the extension, where it tells more than the icon.
        preview: address of a picture on this server.
    """

    kind: str
    icon: str
    family: str
    label: str = ""
    preview: str | None = None


def look_of(kind: DocumentKind, extension: str | None = None, preview: str | None = None) -> Look:
    """Return how a document of this kind looks."""
    ending = (extension or "").lower().lstrip(".")
    icon, family = _ICONS.get(kind) or _FAMILIES.get(ending, ("file", "file"))
    label = ending.upper() if kind == "file" and len(ending) <= LONGEST_LABEL else ""
    return Look(kind=_KINDS[kind], icon=icon, family=family, label=label, preview=preview)


def look_of_hit(hit: Hit, address: str) -> Look:
    """Return how a hit looks; address is the gateway's, which its preview's link begins with."""
    return look_of(hit.kind, hit.extension, here(hit.preview_url, address))


def here(url: str | None, address: str) -> str | None:
    """Return an address without the part that says this server, so that it is good under any name of the server."""
    if url is not None and url.startswith(f"{address}/"):
        url = url[len(address) :]
    return web_address(url)


def name_of(title: str) -> str:
    """Return a title that can be read and clicked."""
    return title if title.strip() else NAMELESS


def title_of(hit: Hit) -> tuple[tuple[str, bool], ...]:
    """Return a hit's title with the searched words marked."""
    return hit.title_parts if hit.title.strip() and hit.title_parts else ((name_of(hit.title), False),)
