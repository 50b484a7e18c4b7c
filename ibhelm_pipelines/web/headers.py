"""What a browser is told of a preview or a download, so that nothing in it is ever executed.

Invariants: what the content is was found by looking into it when it was stored; the name in the link decides under
which name it is saved and nothing else. Only kinds that cannot run are shown inline, and even those in a sandbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from ibhelm_pipelines.objects.links import Kind
    from ibhelm_pipelines.objects.store import StoredObject

UNKNOWN = "application/octet-stream"
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"})
INLINE = PICTURES | {"application/pdf", "text/plain"}
"""What browsers show and cannot run (a PDF's own scripts stay in the viewer); HTML, SVG and XML are always saved."""

SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",  # NocoDB has another address and shows our pictures
    "Referrer-Policy": "no-referrer",  # a link is a right; it is told nobody
}
"""In every answer."""

LIFETIMES: dict[Kind, str] = {
    "original": "private, max-age=604800, immutable",
    "thumbnail": "private, max-age=3600",  # a better tool may make another one of the same content
}
"""A week, and not for ever: what was forgotten should be gone from browsers too."""

MAX_NAME_CHARS = 255

_SPOOFING = frozenset("\u200e\u200f\u061c\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Turn the direction of writing, so that `exe.fdp` is read as a PDF."""


def entity_tag(kind: Kind, content_hash: str, stored: StoredObject) -> str:
    """Return the ETag: of an original its content, of a preview its own bytes, since it may be made anew."""
    return f'"{content_hash if kind == "original" else stored.sha256}"'


def describe(kind: Kind, content_hash: str, stored: StoredObject, file_name: str) -> dict[str, str]:
    """Return the headers that say what an object is and how long it may be kept."""
    described = {
        "Content-Type": UNKNOWN,
        "Content-Disposition": _disposition("attachment", file_name),
        "ETag": entity_tag(kind, content_hash, stored),
        "Cache-Control": LIFETIMES[kind],
        "Accept-Ranges": "bytes" if kind == "original" else "none",
    }
    media_type = stored.media_type.partition(";")[0].strip().lower()
    if media_type in INLINE:
        described["Content-Type"] = f"{media_type}; charset=utf-8" if media_type == "text/plain" else media_type
        described["Content-Disposition"] = _disposition("inline", file_name)
    elif media_type:
        described["Content-Type"] = media_type
    return described


def _disposition(kind: str, file_name: str) -> str:
    """Return the header that gives a download its name (RFC 6266, RFC 5987)."""
    name = "".join(c if c.isprintable() and c not in _SPOOFING and c not in "/\\" else "_" for c in file_name)
    name = name[:MAX_NAME_CHARS] or "download"
    plain = "".join(c if c.isascii() and c != '"' else "_" for c in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


def page_headers(web_address: str) -> dict[str, str]:
    """Return what every page says, unlike previews and downloads: nothing of others, and no script or style but our
    files.

    Args:
        web_address: at which previews are shown; a page may be opened under another name of this machine.
    """
    parts = urlsplit(web_address)
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; "
        f"img-src 'self' {parts.scheme}://{parts.netloc}; base-uri 'none'; frame-ancestors 'none'"
    )
    said = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",  # the address of a page holds what was searched for
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    return {**said, "Strict-Transport-Security": "max-age=31536000"} if parts.scheme == "https" else said
