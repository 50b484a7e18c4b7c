"""Stores conversations that the settings let in, and removes those that they let in once and do not any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.vendors.missive.fields import identifier, moment
from ibhelm_pipelines.vendors.missive.resources import CONVERSATIONS
from ibhelm_pipelines.vendors.store import Counts, storable_json

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Sequence

    from ibhelm_pipelines.vendors.missive.policy import Policy
    from ibhelm_pipelines.vendors.store import Store
    from ibhelm_pipelines.vendors.tables import Row

_PURGES = (
    "purge_attachments", "purge_emails", "purge_comments", "purge_conversations", "purge_forgotten", "purge_raw",
    "forget_listed",
)  # fmt: skip


class Gate:
    """Lets conversations into the tables; over the connection of a store."""

    def __init__(self, store: Store, policy: Policy) -> None:
        self.store, self.policy = store, policy
        self._sql = load_queries("missive")

    def put(self, rows: Sequence[Row], read_at: dt.datetime, *, force: bool = False) -> Counts:
        """Store what may be stored, and note what of it has to be read.

        Args:
            rows: conversations as Missive shows them.
            read_at: when they were asked for.
            force: whether mails and comments of all of them have to be read again.
        """
        allowed = [row for row in rows if self.policy.allows(row)]
        barred = [str(identifier(row)) for row in rows if self.policy.allows(row) is False]
        with self.store.writing():
            counts = self.store.put(CONVERSATIONS, allowed, read_at)
            self.purge(barred)
            listed = [_listed(row) for row in allowed]
            self._run("note_listed", listed=storable_json(listed), read_at=read_at, force=force)
        return counts + Counts(left_out=len(rows) - len(allowed))

    def purge(self, ids: Collection[str]) -> None:
        """Remove conversations with all that hangs on them: the settings do not let them in."""
        with self.store.writing():
            stored = [number for (number,) in self._run("stored_conversations", ids=list(ids))]
            for name in _PURGES if stored else ():
                self._run(name, ids=stored)

    def _run(self, name: str, **values: Any) -> Any:
        return self.store.connection.execute(self._sql[name], values)


def _listed(row: Row) -> dict[str, Any]:
    when, count = moment(row.get("last_activity_at")), row.get("messages_count")
    return {"missive_id": identifier(row), "last_activity_at": when, "messages_count": count}
