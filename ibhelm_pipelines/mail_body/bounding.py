"""HTML of any size written anew so that no parser takes long over it.

An HTML5 parser is quadratic in the depth of nesting, in the attributes of one tag, in the character references of one
run of text, and in what stands in a table outside of its cells: with 500 KB one can keep the sanitiser busy for two
minutes. So what is large is written anew before the sanitiser sees it: shallow, with few attributes, in short runs.

Invariant: no text is dropped but what the tokenizer calls silent, and nothing nests deeper than MAX_DEPTH.
"""

from __future__ import annotations

import html
from collections import Counter

from ibhelm_pipelines.html_tokens import NAME, VOID, Token, tokens

MAX_DEPTH = 100
"""What nests deeper is shown one below the other."""

MAX_TABLE_DEPTH = MAX_DEPTH - 10
"""A table below this is no table: else its cells could be too deep to be written, and their texts stood outside."""

MAX_RUN_CHARS = 4_096
"""Longer runs with character references are cut into spans: the sanitiser copies a run again at each reference."""

_CELLS = frozenset({"td", "th", "caption"})
_GROUPS = frozenset({"tbody", "thead", "tfoot", "colgroup"})
_TABLE = _CELLS | _GROUPS | {"tr", "col"}
_ENDED_BY = {
    **dict.fromkeys(_CELLS, _CELLS | {"colgroup"}),
    "tr": _CELLS | {"tr", "colgroup"},
    **dict.fromkeys(_GROUPS, _CELLS | _GROUPS | {"tr"}),
    **{tag: frozenset({tag}) for tag in ("p", "li", "option")},
    **dict.fromkeys(("dt", "dd"), frozenset({"dt", "dd"})),
}
"""Which open elements a start tag ends, as far as they are the innermost."""


def bounded(source: str) -> str:
    """Return HTML that says the same in few levels, with few attributes to a tag and in short runs of text."""
    writer = _Writer()
    for token in tokens(source):
        if not token.tag:
            writer.text(token.text)
        elif not NAME.fullmatch(token.tag):
            continue
        elif token.end:
            writer.end(token.tag)
        else:
            writer.start(token)
    return "".join(writer.pieces)


class _Writer:
    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self._counts: Counter[str] = Counter()
        self._tables: list[bool] = []

    def text(self, text: str) -> None:
        if not text.isspace():
            self._into_cell()
        self.pieces.append(_runs(text))

    def start(self, token: Token) -> None:
        tag = token.tag
        if tag not in _TABLE:
            self._into_cell()
        elif not self._tables:
            return
        while self._open and self._open[-1][0] in _ENDED_BY.get(tag, ()):
            self.end(self._open[-1][0])
        if tag in VOID:
            self.pieces.append(_written(token))
            return
        is_written = self._is_written(tag)
        self.pieces.append(_written(token) if is_written else "<br>")
        self._open.append((tag, is_written))
        self._counts[tag] += 1
        if tag == "table":
            self._tables.append(is_written)

    def end(self, tag: str) -> None:
        """Close an element and what is open in it; an end tag without a start says nothing."""
        while self._counts[tag]:
            last, is_written = self._open.pop()
            self._counts[last] -= 1
            if last == "table":
                self._tables.pop()
            if is_written:
                self.pieces.append(f"</{last}>")
            if last == tag:
                return

    def _is_written(self, tag: str) -> bool:
        depth = len(self._open)
        if tag == "table":
            return depth < MAX_TABLE_DEPTH
        return depth < MAX_DEPTH and (tag not in _TABLE or self._tables[-1])

    def _into_cell(self) -> None:
        """What stands in a table outside of its cells gets one."""
        if self._open and (self._open[-1][0] in ("table", "tr") or self._open[-1][0] in _GROUPS):
            self.start(Token(tag="td"))


def _runs(text: str) -> str:
    escaped = text.replace("<", "&lt;")
    if len(escaped) <= MAX_RUN_CHARS or "&" not in escaped:
        return escaped
    plain = html.unescape(text)
    starts = range(0, len(plain), MAX_RUN_CHARS)
    return "".join(f"<span>{html.escape(plain[at : at + MAX_RUN_CHARS], quote=False)}</span>" for at in starts)


def _written(token: Token) -> str:
    kept = [(name, value) for name, value in token.attributes.items() if NAME.fullmatch(name)]
    attributes = "".join(f' {name}="{value.replace(chr(34), "&quot;")}"' for name, value in kept)
    return f"<{token.tag}{attributes}>"
