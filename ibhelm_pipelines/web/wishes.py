"""What somebody asks the search page for, as its address says it: every state of the page has one, and can be sent.

Invariant: an address that nobody made (a page of hits that is no cursor, a document that is no number) is read as if
that part of it were not there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibhelm_pipelines.search.query import Filter, Query

View = Literal["list", "gallery"]

LONGEST_TEXT = 2000
"""Characters of a query; more than anybody types."""

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The query and how to show what it finds.

    Attributes:
        text: as it was typed.
        after: the cursor behind which hits are wanted.
        open_id: the document whose details are wanted.
    """

    text: str = ""
    view: View = "list"
    after: str | None = None
    open_id: int | None = None

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> Wish:
        """Read the query string of an address."""
        number = asked.get("open", "")
        return cls(
            text=asked.get("q", "")[:LONGEST_TEXT].strip(),
            view="gallery" if asked.get("view") == "gallery" else "list",
            after=asked.get("after") or None,
            open_id=int(number) if _NUMBER.fullmatch(number) else None,
        )

    @property
    def is_gallery(self) -> bool:
        """Whether previews are shown rather than lines."""
        return self.view == "gallery"

    def address(
        self, *, text: str | None = None, view: View | None = None, after: str | None = None, open_id: int | None = None
    ) -> str:
        """Return the address of the same page with something changed; its first hits, nothing open, if not said."""
        wanted = replace(
            self,
            text=self.text if text is None else text,
            view=view or self.view,
            after=after,
            open_id=open_id,
        )
        pairs = {
            "q": wanted.text,
            "view": "gallery" if wanted.is_gallery else "",
            "after": wanted.after or "",
            "open": str(wanted.open_id or ""),
        }
        query = urlencode({name: value for name, value in pairs.items() if value}, errors="replace")
        return f"/?{query}" if query else "/"

    def with_term(self, term: str) -> str:
        """Return the address of the same query with one more filter."""
        return self.address(text=f"{self.text} {term}".strip())

    def without(self, query: Query, *filters: Filter) -> str:
        """Return the address of the same query without some of its filters."""
        text = query.text
        for each in sorted(filters, key=lambda one: one.start, reverse=True):
            text = f"{text[: each.start]} {text[each.end :]}"
        return self.address(text=_SPACES.sub(" ", text).strip())
