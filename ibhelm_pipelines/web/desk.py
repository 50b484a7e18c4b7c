"""The search as pages and the API ask it: in threads of its own, so that previews go on while many search.

Invariant: nobody waits in a line without end: who asks too often, or comes when too many wait already, is told so.
Query texts are kept nowhere: what somebody looks for is nobody else's business.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio
from starlette.exceptions import HTTPException

from ibhelm_pipelines.local.rate_limit import RateLimit
from ibhelm_pipelines.web.readings import items_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from ibhelm_pipelines.search.finding import Finder
    from ibhelm_pipelines.search.results import Detail, Hit, Results
    from ibhelm_pipelines.web.readings import Readings

SEARCHERS = 8
"""Searches at the same moment; each takes a connection and, for its vector, a core."""

MAX_WAITING = 32
ASKED_PER_SECOND, ASKED_AT_ONCE = 10, 60
"""By one session: people who type get hits with every pause; and as many completions, which cost next to nothing."""

LONGEST_QUERY = 2000
LARGEST_ID = 2**63 - 1

TOO_LONG = "Die Anfrage ist zu lang; höchstens {most} Zeichen."
TOO_OFTEN = "Zu viele Anfragen auf einmal. Bitte in {seconds} s noch einmal versuchen."
CROWDED = "Gerade suchen zu viele gleichzeitig. Bitte gleich noch einmal versuchen."
UNKNOWN = "Dieses Dokument gibt es nicht, oder nicht mehr."

_Result = TypeVar("_Result")


class Desk:
    """Answers searches.

    Args:
        finder: does the work, and waits for Postgres.
        readings: where is written down who is shown what.
    """

    def __init__(self, finder: Finder, readings: Readings) -> None:
        self._finder, self._readings = finder, readings
        self._threads = anyio.CapacityLimiter(SEARCHERS)
        self._limit, self._completions_limit = (
            RateLimit(per_second=ASKED_PER_SECOND, burst=ASKED_AT_ONCE, max_clients=10_000) for _ in range(2)
        )
        self.asked = 0

    async def search(
        self, request: Request, text: str, *, limit: int = 20, cursor: str | None = None, facets: bool = True
    ) -> Results:
        """Return what is found.

        Raises:
            HTTPException: 422, 429 or 503, with a sentence.
            DatabaseUnavailableError: Postgres does not answer.
        """
        _check_length(text)
        search = partial(self._finder.search, text, limit=limit, cursor=cursor, facets=facets)
        return await self._ask(request, search, partial(self._note_found, request))

    async def detail(self, request: Request, document_id: int) -> Detail:
        """Return all that there is to say about one document; raises as `search`, and 404."""
        read = partial(self._finder.detail, _known(document_id))
        found: Detail | None = await self._ask(request, read, partial(self._note_read, request))
        if found is None:
            raise HTTPException(404, UNKNOWN)
        return found

    async def similar(self, request: Request, document_id: int, *, limit: int = 10) -> tuple[Hit, ...]:
        """Return what is like one document; raises as `search`."""
        similar = partial(self._finder.similar, _known(document_id), limit=limit)
        return await self._ask(request, similar, partial(self._note_similar, request))

    async def completions(self, request: Request, beginning: str) -> tuple[str, ...]:
        """Return how what was typed may go on; takes nothing of what a session may search, and raises as `search`."""
        _check_length(beginning)
        _check_rate(request, self._completions_limit)
        return await self.run(partial(self._finder.completions, beginning))

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Do something else that waits for Postgres.

        Raises:
            HTTPException: 503; too many wait already.
        """
        if self._threads.statistics().tasks_waiting >= MAX_WAITING:
            raise HTTPException(503, CROWDED, {"Retry-After": "2"})
        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    async def _ask(self, request: Request, work: Callable[[], _Result], note: Callable[[_Result], None]) -> _Result:
        _check_rate(request, self._limit)
        self.asked += 1

        def answer() -> _Result:
            result = work()
            note(result)
            return result

        return await self.run(answer)

    def _note_found(self, request: Request, results: Results) -> None:
        self._readings.of_page(request, "search", items_of(results.hits))

    def _note_read(self, request: Request, detail: Detail | None) -> None:
        if detail is not None:
            self._readings.of_page(request, "read", items_of([detail.hit]))

    def _note_similar(self, request: Request, hits: tuple[Hit, ...]) -> None:
        self._readings.of_page(request, "similar", items_of(hits))


def _check_length(text: str) -> None:
    if len(text) > LONGEST_QUERY:
        raise HTTPException(422, TOO_LONG.format(most=f"{LONGEST_QUERY:,}".replace(",", ".")))


def _check_rate(request: Request, limit: RateLimit) -> None:
    if seconds := limit.wait_seconds(request.state.visitor.key):
        raise HTTPException(429, TOO_OFTEN.format(seconds=seconds), {"Retry-After": str(seconds)})


def _known(document_id: int) -> int:
    """Return an id that Postgres can hold; no document has another one."""
    if document_id > LARGEST_ID:
        raise HTTPException(404, UNKNOWN)
    return document_id
