"""Bodies of mails: safe HTML to show, and clean text in which search finds each sentence once.

    HTML ── cleaning (nh3) ── lines (what a reader sees) ── parting (quotequail) ── text, quoted, signature

Invariants: `read_body` raises for no body and takes time in proportion to its length; every word of the HTML that it
returns is in exactly one of text, quoted and signature, but for runs of Base64 (plain_text.without_base64). `text` may
name the address of a link, as "<https://…>", where its words do not.

Why these libraries: nh3 (MIT) is an HTML5 parser with an allow-list; lxml's cleaner has a block-list. quotequail (MIT,
close.io) knows what mail programs write before a quote, in eight languages; given a whole mail it takes 28 s for 8,000
lines that look like headers, so it is asked about ten lines at a time. mail-parser-reply knows more languages, but took
88 s for 32,000 blank lines and "Grüße von der Baustelle sende ich später." with all below it for a signature; talon and
email-reply-parser know no German. No library knows German signatures, hence the tables of wording.py.
"""

from __future__ import annotations

import html as markup
from dataclasses import dataclass

from ibhelm_pipelines.language import language_of
from ibhelm_pipelines.mail_body.cleaning import clean, is_html
from ibhelm_pipelines.mail_body.lines import Line, Reader
from ibhelm_pipelines.mail_body.parting import Part, part
from ibhelm_pipelines.mail_body.threads import thread_of
from ibhelm_pipelines.mail_body.wording import is_forward
from ibhelm_pipelines.plain_text import storable

__all__ = ["MailBody", "read_body", "thread_of"]

SNIPPET_CHARS = 200


@dataclass(frozen=True, kw_only=True)
class MailBody:
    """What a mail says, and how it may be shown."""

    html: str | None
    """Sanitised; pictures inside keep `data-missive-attachment-id`."""
    text: str
    """What the writer wrote, and what he forwards, in NFC."""
    quoted: str
    """What is quoted from earlier mails, which are rows of their own."""
    signature: str
    language: str | None
    """ISO 639-1."""
    snippet: str
    inline_attachment_ids: frozenset[str]
    """Ids of Missive's attachments, and cid: names, of the pictures inside."""


def read_body(html: str | None, *, kind: str = "email", subject: str | None = None) -> MailBody:
    """Read the body of a message; only mails have quotes and signatures, a chat has lines.

    The subject tells a mail that Outlook forwarded ("WG: …") from an answer; without it that one counts as an answer,
    unless its writer added nothing.
    """
    source = storable(html or "")
    shown = clean(source if is_html(source) else _as_html(source))
    reader = Reader()
    reader.read(shown)
    parts = [Part.OWN] * len(reader.lines)
    if kind == "email":
        parts = part(reader.lines, is_forward=is_forward(subject or ""))
    text = _joined(reader.lines, parts, Part.OWN)
    return MailBody(
        html=shown or None,
        text=text,
        quoted=_joined(reader.lines, parts, Part.QUOTED),
        signature=_joined(reader.lines, parts, Part.SIGNATURE),
        language=language_of(text),
        snippet=_snippet(text),
        inline_attachment_ids=frozenset(reader.inline),
    )


def _as_html(text: str) -> str:
    return markup.escape(text, quote=False).replace("\r\n", "\n").replace("\n", "<br>")


def _joined(lines: list[Line], parts: list[Part], wanted: Part) -> str:
    """Return the lines of a part, with no more than one empty line between two."""
    kept: list[str] = []
    for line, each in zip(lines, parts, strict=True):
        if each is wanted and (line.text or (kept and kept[-1])):
            kept.append(line.text)
    return "\n".join(kept).strip()


def _snippet(text: str) -> str:
    line = " ".join(text[: 4 * SNIPPET_CHARS].split())
    if len(line) <= SNIPPET_CHARS:
        return line
    return line[:SNIPPET_CHARS].rpartition(" ")[0] or line[:SNIPPET_CHARS]
