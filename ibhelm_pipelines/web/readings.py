"""Who reads what through this server, handed to the log of accesses before anything is given (docs/access-log.md).

Invariant: what is written down of a search is what it showed, never its words; of an address its digest of the day.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from ibhelm_pipelines.access_log.entries import Access, client_digest
from ibhelm_pipelines.web.refusals import API

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

    from ibhelm_pipelines.access_log.entries import Action, Way
    from ibhelm_pipelines.access_log.storing import AccessLog
    from ibhelm_pipelines.objects.links import Kind
    from ibhelm_pipelines.search.results import Hit

_ACTIONS: dict[Kind, Action] = {"thumbnail": "preview", "original": "download"}


class Readings:
    """Writes down what is read over HTTP.

    Args:
        log: where to.
        secret: IBHELM_WEB_SECRET.
    """

    def __init__(self, log: AccessLog, secret: str) -> None:
        self._log, self._secret = log, secret

    def of_link(self, request: Request, kind: Kind, content_hash: str, *, status: int) -> None:
        """Note a preview or download that is about to be given.

        Raises:
            AccessNotLoggedError: it cannot be noted: give nothing.
        """
        who, client = self._who(request), self._client(request)
        action = _ACTIONS[kind]
        self._log.record(
            Access(way="link", action=action, who=who, client=client, content_hash=content_hash, status=status)
        )

    def of_page(self, request: Request, action: Action, items: Iterable[str]) -> None:
        """Note what is about to be shown of the archive; raises as `of_link`."""
        shown = tuple(items)
        if not shown:
            return
        way: Way = "api" if request.url.path.startswith(API) else "page"
        self._log.record(
            Access(way=way, action=action, who=self._who(request), client=self._client(request), items=shown)
        )

    def link_denied(self, request: Request, kind: Kind, *, status: int) -> None:
        """Note that a link was refused, for want of a signature of ours; raises as `of_link`."""
        self._denied(request, "link", _ACTIONS[kind], status)

    def script_denied(self, request: Request, *, status: int) -> None:
        """Note that a script was refused, for want of the token; raises as `of_link`."""
        self._denied(request, "api", "read", status)

    def _denied(self, request: Request, way: Way, action: Action, status: int) -> None:
        client = self._client(request)
        self._log.record(Access(way=way, action=action, client=client, outcome="denied", status=status))

    @property
    def problem(self) -> str | None:
        """Why what is read is not in the database yet, or None."""
        return self._log.problem

    def _who(self, request: Request) -> str | None:
        visitor = getattr(request.state, "visitor", None)
        return None if visitor is None else visitor.account

    def _client(self, request: Request) -> str | None:
        if request.client is None:
            return None
        return client_digest(self._secret, request.client.host, dt.datetime.now(dt.UTC).date())


def items_of(hits: Iterable[Hit]) -> tuple[str, ...]:
    """Return hits as they are named in the log: file:12."""
    return tuple(f"{hit.kind}:{hit.item_id}" for hit in hits)
