"""A bounded reading of HTML: tags, text and nothing else, in time that grows with the length alone.

html.parser of Python 3.11 takes a minute for 100 KB of unclosed attributes, and every HTML5 parser is quadratic in the
depth of nesting, in the attributes of one tag and in the character references of one run of text. Mails come from
anybody. So what is large is read by this tokenizer first and written anew, shallow and plain, before a real parser sees
it; and what the sanitiser wrote is read by it, since that is well-formed.

Invariant: `bounded` drops no text that stands outside of tags, comments and silent elements, and what it returns nests
no deeper than MAX_DEPTH.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_DEPTH = 200
"""Deeper than any mail program nests; Word's tables in tables of long threads come to about sixty."""

MAX_ATTRIBUTES = 30
MAX_RUN_CHARS = 4_096
"""The sanitiser copies a run of text again at each character reference: longer runs are cut into spans."""

SILENT = frozenset({"script", "style", "iframe", "object", "noscript", "template", "title", "svg", "math", "noembed"})
"""Elements whose content is no word of the mail. That of the first six is raw: no tag ends it but its own."""

VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_CLOSED_BY_THEIR_LIKE = frozenset({"p", "li", "td", "th", "tr", "dt", "dd", "option"})

_ATTRIBUTE = (
    r"[\s/]*+(?P<name>[^\s/>][^\s/>=]*+)"
    r"""(?:\s*+=\s*+(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'|(?P<bare>[^\s>"'][^\s>]*+)))?+"""
)
_ATTRIBUTES = re.compile(_ATTRIBUTE)
_UNNAMED = re.sub(r"\?P<\w+>", "?:", _ATTRIBUTE)
_TAG = re.compile(rf"<(?P<end>/?)(?P<tag>[a-zA-Z][^\s/>]*+)(?P<attributes>(?:{_UNNAMED})*+)[\s/]*+>")
_TAG_START = re.compile(r"</?[a-zA-Z]")
_COMMENT = re.compile(r"<!--.*?(?:--!?>|\Z)|<[!?][^>]*+(?:>|\Z)|</[^a-zA-Z>][^>]*+(?:>|\Z)|</>", re.DOTALL)
_NAME = re.compile(r"[a-z][a-z0-9:-]*")


@dataclass(slots=True)
class Token:
    """A tag, or the text between two."""

    text: str = ""
    tag: str = ""
    end: bool = False
    attributes: dict[str, str] = field(default_factory=dict)


def tokens(source: str) -> Iterator[Token]:
    """Yield the tags and the texts of HTML; texts and values still carry their character references."""
    position = 0
    while position < len(source):
        start = source.find("<", position)
        start = len(source) if start < 0 else start
        if start > position:
            yield Token(text=source[position:start])
        if start == len(source):
            return
        if comment := _COMMENT.match(source, start):
            position = comment.end()
        elif tag := _TAG.match(source, start):
            token = _tag(tag)
            yield token
            position = _end_of(token.tag, source, tag.end()) if _is_silent(token, tag) else tag.end()
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


def _is_silent(token: Token, match: re.Match[str]) -> bool:
    closes_itself = token.tag in ("svg", "math") and match[0].endswith("/>")
    return token.tag in SILENT and not token.end and not closes_itself


def _end_of(tag: str, source: str, position: int) -> int:
    """Return where the end tag of a silent element begins, or the end of all."""
    found = re.compile(f"</{tag}", re.IGNORECASE).search(source, position)
    return found.start() if found else len(source)


def bounded(source: str) -> str:
    """Return HTML that says the same in few levels, with few attributes to a tag and in short runs of text."""
    pieces: list[str] = []
    open_tags: list[str] = []
    counts: Counter[str] = Counter()
    for token in tokens(source):
        if not token.tag:
            pieces.append(_runs(token.text))
        elif token.tag in VOID:
            pieces.append(_written(token))
        elif not _NAME.fullmatch(token.tag):
            continue
        elif token.end:
            _close(token.tag, pieces, open_tags, counts)
        else:
            if token.tag in _CLOSED_BY_THEIR_LIKE and open_tags and open_tags[-1] == token.tag:
                _close(token.tag, pieces, open_tags, counts)
            open_tags.append(token.tag)
            counts[token.tag] += 1
            pieces.append(_written(token) if len(open_tags) <= MAX_DEPTH else "<br>")
    return "".join(pieces)


def _close(tag: str, pieces: list[str], open_tags: list[str], counts: Counter[str]) -> None:
    """Close an element and what is open in it; an end tag without a start says nothing."""
    while counts[tag]:
        last = open_tags.pop()
        counts[last] -= 1
        if len(open_tags) < MAX_DEPTH:
            pieces.append(f"</{last}>")
        if last == tag:
            return


def _runs(text: str) -> str:
    escaped = text.replace("<", "&lt;")
    if len(escaped) <= MAX_RUN_CHARS or "&" not in escaped:
        return escaped
    plain = html.unescape(text)
    starts = range(0, len(plain), MAX_RUN_CHARS)
    return "".join(f"<span>{html.escape(plain[at : at + MAX_RUN_CHARS], quote=False)}</span>" for at in starts)


def _written(token: Token) -> str:
    kept = [(name, value) for name, value in token.attributes.items() if _NAME.fullmatch(name)]
    attributes = "".join(f' {name}="{value.replace(chr(34), "&quot;")}"' for name, value in kept)
    return f"<{token.tag}{attributes}>"
