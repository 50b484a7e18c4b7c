"""Reads the directory of Missive: organisations, colleagues, teams, shared labels and contacts.

The lists are short and are read whole each time. Rows may move from page to page meanwhile: so a list of several pages
is read twice where everything is to be found, or something is gone; nothing of it can be asked for by its id.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.vendors import statements
from ibhelm_pipelines.vendors.missive.fields import identifier
from ibhelm_pipelines.vendors.missive.resources import CONTACTS, DIRECTORY
from ibhelm_pipelines.vendors.store import Counts
from ibhelm_pipelines.vendors.vanishing import is_beyond_belief

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ibhelm_pipelines.settings import Settings
    from ibhelm_pipelines.vendors.missive.api import Api, Page
    from ibhelm_pipelines.vendors.missive.resources import Resource
    from ibhelm_pipelines.vendors.store import Store


class DirectoryReader:
    """Reads the lists of the directory; not for several threads at once."""

    def __init__(self, settings: Settings, api: Api, store: Store, *, full: bool, confirm_deletions: bool) -> None:
        self._settings, self._api, self._store = settings, api, store
        self._full, self._confirmed = full, confirm_deletions
        self._sql = load_queries("missive")
        self.counts = Counts()
        self.refused = 0

    def read(self) -> None:
        """Read all lists; raises what `Api` raises, and leaves what was read."""
        for resource in DIRECTORY:
            self._read(resource, partial(self._api.directory, resource.path))
        self._read(CONTACTS, self._contacts)

    def _contacts(self) -> Iterator[Page]:
        books = [book for page in self._api.directory("/contact_books") for book in page.rows]
        for book in books:
            yield from self._api.directory(CONTACTS.path, {"contact_book": identifier(book)})

    def _read(self, resource: Resource, pages: Callable[[], Iterator[Page]]) -> None:
        began = self._store.now()
        seen, count = self._put(resource, pages())
        unseen = self._unseen(resource, seen)
        if count > 1 and (unseen or self._full):
            again, _ = self._put(resource, pages())
            unseen -= again
        refused = self._refused(resource, len(unseen))
        with self._store.writing():
            if not refused:
                self.counts += self._store.bury(resource, unseen, began)
            values = {"resource": resource.name, "full_at": began, "scope": None}
            self._store.connection.execute(self._sql["finish"], values)
            self._store.connection.execute(self._sql["note_refused"], {"resource": resource.name, "refused": refused})
        self.refused += refused

    def _put(self, resource: Resource, pages: Iterable[Page]) -> tuple[set[str], int]:
        seen, count = set[str](), 0
        for page in pages:
            self.counts += self._store.put(resource, page.rows, page.read_at)
            seen |= {str(identifier(row)) for row in page.rows}
            count += 1
        return seen, count

    def _unseen(self, resource: Resource, seen: set[str]) -> set[str]:
        with translated_errors():
            found = self._store.connection.execute(statements.unseen(resource.table), {"seen": list(seen)})
            return {number for (number,) in found}

    def _refused(self, resource: Resource, vanished: int) -> int:
        live = self._store.count_live(resource.table)
        beyond = not self._confirmed and is_beyond_belief(self._settings, vanished=vanished, live=live)
        return vanished if beyond else 0
