"""The tags and the texts of HTML, in time that grows with its length alone.

HTML comes from anybody, and html.parser of Python 3.11 takes a minute for 100 KB of attributes without an end, and
gives up with an AssertionError on some declarations. This tokenizer judges nothing: what is to be shown goes through a
sanitiser.

Invariant: the texts and the tags are the whole source but for comments and silent elements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_ATTRIBUTES = 30
"""Of one tag."""

SILENT = frozenset({"script", "style", "iframe", "object", "noscript", "template", "title", "svg", "math", "noembed"})
"""Elements whose content is no word of the mail. That of the first six is raw: no tag ends it but its own."""

VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})

_ATTRIBUTE = (
    r"[\s/]*+(?P<name>[^\s/>][^\s/>=]*+)"
    r"""(?:\s*+=\s*+(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'|(?P<bare>[^\s>"'][^\s>]*+)))?+"""
)
_ATTRIBUTES = re.compile(_ATTRIBUTE)
_UNNAMED = re.sub(r"\?P<\w+>", "?:", _ATTRIBUTE)
_TAG = re.compile(rf"<(?P<end>/?)(?P<tag>[a-zA-Z][^\s/>]*+)(?P<attributes>(?:{_UNNAMED})*+)[\s/]*+>")
_TAG_START = re.compile(r"</?[a-zA-Z]")
_COMMENT = re.compile(r"<!--.*?(?:--!?>|\Z)|<[!?][^>]*+(?:>|\Z)|</[^a-zA-Z>][^>]*+(?:>|\Z)|</>", re.DOTALL)
NAME = re.compile(r"[a-z][a-z0-9:-]*")


@dataclass(slots=True)
class Token:
    """A tag, or the text between two."""

    text: str = ""
    tag: str = ""
    end: bool = False
    attributes: dict[str, str] = field(default_factory=dict)


def tokens(source: str, silent: frozenset[str] = SILENT) -> Iterator[Token]:
    """Yield the tags and the texts of HTML; texts and values still carry their character references.

    Args:
        source: the HTML, whole.
        silent: elements of which only the tags are wanted.
    """
    position = 0
    while position < len(source):
        start = source.find("<", position)
        start = len(source) if start < 0 else start
        if start > position:
            yield Token(text=source[position:start])
        if start == len(source):
            return
        if tag := _TAG.match(source, start):
            token = _tag(tag)
            yield token
            position = _end_of(token.tag, source, tag.end()) if _is_silent(token, tag, silent) else tag.end()
        elif comment := _COMMENT.match(source, start):
            position = comment.end()
        else:
            # A tag that never ends makes the rest text: to look for its end again at each "<" takes quadratic time.
            position = len(source) if _TAG_START.match(source, start) else start + 1
            yield Token(text=source[start:position])


def _tag(match: re.Match[str]) -> Token:
    token = Token(tag=match["tag"].lower(), end=bool(match["end"]))
    if not token.end and match["attributes"]:
        for number, each in enumerate(_ATTRIBUTES.finditer(match["attributes"])):
            if number == MAX_ATTRIBUTES:
                break
            token.attributes.setdefault(each["name"].lower(), each["double"] or each["single"] or each["bare"] or "")
    return token


def _is_silent(token: Token, match: re.Match[str], silent: frozenset[str]) -> bool:
    closes_itself = token.tag in ("svg", "math") and match[0].endswith("/>")
    return token.tag in silent and not token.end and not closes_itself


def _end_of(tag: str, source: str, position: int) -> int:
    """Return where the end tag of a silent element begins, or the end of all."""
    found = re.compile(f"</{tag}", re.IGNORECASE).search(source, position)
    return found.start() if found else len(source)
