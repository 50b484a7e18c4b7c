"""What an assistant reads, handed to the log of accesses before it is answered (docs/access-log.md).

Invariant: never the words of a search nor the values of a query: of a search what it found, of SQL which tables it
names and how many rows came.
"""

from __future__ import annotations

import re
from functools import singledispatchmethod
from typing import TYPE_CHECKING

from ibhelm_pipelines.access_log.entries import Access
from ibhelm_pipelines.mcp_server import answers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibhelm_pipelines.access_log.entries import Action
    from ibhelm_pipelines.access_log.storing import AccessLog
    from ibhelm_pipelines.mcp_server.questions import Reader

OVER_HTTP = "API"
"""Who comes with the token; the search page calls it so, too."""

_WORD = re.compile(r"\w+")


class Readings:
    """Writes down what an assistant reads.

    Args:
        log: where to.
        who: the account of this process, or OVER_HTTP.
        reader: knows which tables there are.
    """

    def __init__(self, log: AccessLog, who: str, reader: Reader) -> None:
        self._log, self._who, self._reader = log, who, reader
        self._tables: frozenset[str] | None = None

    def of_query(self, query: str, answer: answers.SqlAnswer) -> None:
        """Note the rows of a query.

        Raises:
            AccessNotLoggedError: it cannot be noted: give nothing.
        """
        if self._tables is None:
            self._tables = frozenset(table.name for table in self._reader.schema(None).tables)
        named = sorted(self._tables.intersection(_WORD.findall(query.lower())))
        self._note("sql", (f"table:{each}" for each in named), row_count=len(answer.rows))

    @singledispatchmethod
    def of(self, answer: object) -> None:
        """Note an answer about items or a project; of others nothing. Raises as `of_query`."""

    @of.register
    def _(self, answer: answers.SearchAnswer) -> None:
        self._note("search", (item.id for item in answer.items))

    @of.register
    def _(self, answer: answers.SimilarAnswer) -> None:
        self._note("similar", (item.id for item in answer.items))

    @of.register
    def _(self, answer: answers.ItemAnswer) -> None:
        self._note("read", [answer.item.id])

    @of.register
    def _(self, answer: answers.ProjectAnswer) -> None:
        if answer.project is not None:
            self._note("project", [answer.project.id, *(item.id for item in answer.project.newest)])

    def _note(self, action: Action, items: Iterable[str], row_count: int | None = None) -> None:
        shown = tuple(items)
        if shown or row_count:
            self._log.record(Access(way="mcp", action=action, who=self._who, items=shown, row_count=row_count))
