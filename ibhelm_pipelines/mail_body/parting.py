"""Which lines of a mail its writer wrote, which he quotes, and which sign it.

Quotes are known by structure first (blockquotes, ">"), then by the lines that mail programs put before them. Those
lines, in eight languages, are quotequail's; it is asked about a few lines at a time, and only where a line could be
one: given a whole mail its time is quadratic.

Invariant: every line gets exactly one part, in order. When in doubt a line is the writer's own: to find a sentence
twice is better than not to find it.
"""

from __future__ import annotations

import re
from enum import Enum
from itertools import groupby

import quotequail

from ibhelm_pipelines.mail_body.lines import Line
from ibhelm_pipelines.mail_body.wording import (
    is_closing,
    is_delimiter,
    is_device_line,
    is_disclaimer,
    is_postscript,
    says_forwarded,
)

WINDOW = 10
"""Lines that are looked at together: the headers of an earlier mail, or a date and a name that were wrapped."""

MAX_LINE_CHARS = 400
MAX_QUESTIONS = 500
"""How often quotequail is asked about one mail, each time for about two milliseconds."""

MAX_SIGNATURE_LINES = 60

_WHEN_OR_WHO = re.compile(r"\b(?:19|20)\d\d\b|\d\d?:\d\d|@")
_LABEL = re.compile(r"\*?[\w -]{2,20}:")
_SEPARATOR = re.compile(r"[-_*]{2,}|\w[\w ]{4,50}:$")


class Part(Enum):
    """Where a line goes."""

    OWN = "own"
    QUOTED = "quoted"
    SIGNATURE = "signature"


class Questions:
    """Asks quotequail, not too often."""

    def __init__(self) -> None:
        self._left = MAX_QUESTIONS

    def ask(self, lines: list[str]) -> dict[str, str]:
        """Return what quotequail says of a few lines: nothing, when they quote nothing."""
        self._left -= 1
        if self._left < 0:
            return {}
        return quotequail.unwrap("\n".join(line[:MAX_LINE_CHARS] for line in lines)) or {}


def part(lines: list[Line], *, is_forward: bool = False) -> list[Part]:
    """Return the part of each line; Outlook's forwarded mails look like answers but for their subject."""
    parts = [Part.QUOTED if line.depth or line.is_attribution else Part.OWN for line in lines]
    asked = Questions()
    _mark_attributions(lines, parts, asked)
    border, says_forward = _border(lines, asked)
    if is_forward and border == len(lines):
        border = parts.index(Part.QUOTED) if Part.QUOTED in parts else border
    parts[border:] = [Part.QUOTED] * (len(lines) - border)
    _mark_signatures(lines, parts)
    wrote = any(each is Part.OWN and line.text for line, each in zip(lines, parts, strict=True))
    if is_forward or says_forward or (border < len(lines) and not wrote):
        # What is passed on stands nowhere else, as far as this mail tells: so it is found as this mail's own.
        parts[border:] = [Part.OWN] * (len(lines) - border)
    return parts


def _mark_attributions(lines: list[Line], parts: list[Part], asked: Questions) -> None:
    """Give "Am … schrieb …:" to the quote that it introduces."""
    for start in range(1, len(lines)):
        if not lines[start].depth or lines[start - 1].depth:
            continue
        above = [at for at in range(max(0, start - 5), start) if lines[at].text and not lines[at].depth][-3:]
        for at in above[len(above) - _attribution_lines([lines[at].text for at in above], asked) :]:
            parts[at] = Part.QUOTED


def _attribution_lines(above: list[str], asked: Questions) -> int:
    """Return how many of the lines above a quote say who wrote it: all that quotequail knows, else the last."""
    joined = [" ".join(above[-count:]) for count in range(1, len(above) + 1)]
    told = [each.endswith(":") and len(each) < MAX_LINE_CHARS and bool(_WHEN_OR_WHO.search(each)) for each in joined]
    for count, (each, is_told) in enumerate(zip(joined, told, strict=True), start=1):
        if is_told and asked.ask([each]).get("type") == "reply":
            return count
    return told.index(True) + 1 if True in told else 0


def _border(lines: list[Line], asked: Questions) -> tuple[int, bool]:
    """Return the first line below which all is an earlier mail, and whether that is forwarded."""
    for at, line in enumerate(lines):
        window = [each for each in lines[at : at + WINDOW] if each.text][:WINDOW] if line.text else []
        if line.depth or not window:
            continue
        if _SEPARATOR.match(line.text) and says_forwarded(line.text) and window[1:] and window[1].depth:
            return at, True
        if not _may_begin_mail(window):
            continue
        if _begins_mail(window, asked):
            start = _with_separator(lines, at)
            return start, any(says_forwarded(each.text) for each in lines[start : at + 1])
    return len(lines), False


def _may_begin_mail(window: list[Line]) -> bool:
    first = [each.text for each in window[:4]]
    if first[0].startswith("--") and _has_letters(first[0]):
        return True
    if _LABEL.match(first[0]) and any(_LABEL.match(each) for each in first[1:]):
        return True
    return any(each.endswith(":") for each in first[:3]) and bool(_WHEN_OR_WHO.search(" ".join(first[:3])))


def _begins_mail(window: list[Line], asked: Questions) -> bool:
    texts = [each.text for each in window]
    found = asked.ask(texts)
    if not found or "text_top" in found or found["type"] == "quote":
        return False
    if found["type"] == "reply":
        # "Am Montag schrieb Herr Müller:" is a sentence, and quotes nothing below it.
        return bool(_WHEN_OR_WHO.search(" ".join(texts[:2]))) and not any(each.depth for each in window[1:4])
    if texts[0].startswith("--") and _has_letters(texts[0]):
        return True
    if "from" not in found or not found.keys() & {"date", "subject", "to"}:
        return False
    # The first line is a header itself when one less is known without it.
    later = asked.ask(texts[1:])
    return len(found.keys() - {"text"}) > len(later.keys() - {"text"}) or "text_top" in later


def _has_letters(text: str) -> bool:
    return any(character.isalpha() for character in text)


def _with_separator(lines: list[Line], at: int) -> int:
    """Return where the line of dashes above the headers stands, if there is one."""
    above = at - 1
    while above >= 0 and not lines[above].text:
        above -= 1
    if above >= 0 and not lines[above].depth and _SEPARATOR.match(lines[above].text):
        is_words = lines[above].text[0] not in "-_*"
        if not is_words or says_forwarded(lines[above].text):
            return above
    return at


def _mark_signatures(lines: list[Line], parts: list[Part]) -> None:
    """In each run of own lines, find where it is signed; a postscript is the writer's own again."""
    numbered = enumerate(parts)
    for kind, group in groupby(numbered, key=lambda each: each[1]):
        run = [at for at, _ in group]
        if kind is Part.OWN:
            _sign(lines, parts, run)


def _sign(lines: list[Line], parts: list[Part], run: list[int]) -> None:
    for at in run:
        if lines[at].is_signature:
            parts[at] = Part.SIGNATURE
    filled = [at for at in run if lines[at].text and parts[at] is Part.OWN]
    tail = filled[-MAX_SIGNATURE_LINES:]
    start = next((at for at in tail if _signs(lines[at].text)), None)
    if start is None:
        return
    for at in run:
        if at >= start:
            if is_postscript(lines[at].text):
                break
            parts[at] = Part.SIGNATURE


def _signs(text: str) -> bool:
    return is_delimiter(text) or is_closing(text) or is_device_line(text) or is_disclaimer(text)
