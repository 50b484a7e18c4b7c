"""Whose conversations may be read: teams, labels and personal mailboxes that the settings name, and nothing else.

Whatever is unclear stays out (lesson 45): a name that Missive does not have stops everything, for it may be mistyped or
renamed; a conversation of which we are not shown whose it is, is neither stored nor removed.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.vendors.missive.api import SHOWN_TO_GUESTS
from ibhelm_pipelines.vendors.missive.fields import identifier, mappings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings
    from ibhelm_pipelines.vendors.tables import Row

KINDS = {"team": "teams", "label": "labels", "user": "users"}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What may be read, by ids of Missive.

    Attributes:
        labels: those that are named, and all below them.
        users: whose personal conversations.
    """

    teams: frozenset[str]
    labels: frozenset[str]
    users: frozenset[str]

    @classmethod
    def of(cls, settings: Settings, connection: Connection) -> Policy:
        """Look up what the settings name in the directory, as it was read last.

        Raises:
            ConfigurationError: they name what Missive does not have, or say nothing.
        """
        named: dict[str, set[str]] = {kind: set() for kind in KINDS}
        parents: list[tuple[str, str | None]] = []
        for kind, names in _by_kind(settings.missive_allowed or ()).items():
            rows = _directory(connection, kind)
            parents = [(str(row[0]), row[3]) for row in rows] if kind == "label" else parents
            for name in names:
                named[kind] |= _find(kind, name, rows)
        labels = _with_all_below(named["label"], parents)
        return cls(teams=frozenset(named["team"]), labels=labels, users=frozenset(named["user"]))

    @property
    def scope(self) -> str:
        """Return the same text for the same policy; a label below counts, for it may be new."""
        return "; ".join(
            f"{kind}: {', '.join(sorted(ids))}"
            for kind, ids in (("teams", self.teams), ("labels", self.labels), ("users", self.users))
        )

    def names(self, connection: Connection) -> dict[str, list[str]]:
        """Return the names of teams and labels and the addresses of users, by kind."""
        wanted = {"team": self.teams, "label": self.labels, "user": self.users}
        return {
            kind: sorted(str(row[1]) for row in _directory(connection, kind) if row[0] in ids)
            for kind, ids in wanted.items()
        }

    def allows(self, conversation: Row) -> bool | None:
        """Return whether a conversation may be read; None where we are not shown enough to know."""
        if set(conversation) <= SHOWN_TO_GUESTS:
            return None
        team = identifier(conversation.get("team"))
        if team in self.teams or not self.labels.isdisjoint(_ids(conversation.get("shared_labels"))):
            return True
        return team is None and not self.users.isdisjoint(_ids(conversation.get("users")))


def is_directory_read(connection: Connection) -> bool:
    """Return whether the directory was read to its end once, so that names can be looked up."""
    with translated_errors():
        [(is_read,)] = connection.execute(load_queries("missive")["is_directory_read"]).fetchall()
    return bool(is_read)


def _by_kind(entries: Sequence[str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in entries:
        kind, _, name = entry.partition(":")
        if kind.strip().lower() not in KINDS or not name.strip():
            raise ConfigurationError(
                f"IBHELM_MISSIVE_ALLOWED holds {entry!r}, which names nobody, so nothing of Missive is read.",
                next_step="Write team:NAME, label:NAME or user:ADDRESS, several with commas between them.",
            )
        found.setdefault(kind.strip().lower(), []).append(name.strip())
    return found


def _directory(connection: Connection, kind: str) -> list[tuple[str | None, ...]]:
    with translated_errors():
        return connection.execute(load_queries("missive")[KINDS[kind]]).fetchall()


def _find(kind: str, name: str, rows: Sequence[tuple[str | None, ...]]) -> set[str]:
    wanted = _folded(name)
    found = {row[0] for row in rows if row[0] == name or wanted in [_folded(each) for each in row[1:3] if each]}
    if not found:
        known = ", ".join(sorted(str(row[1]) for row in rows)[:20]) or "none"
        raise ConfigurationError(
            f"IBHELM_MISSIVE_ALLOWED names the {kind} {name!r}, which Missive does not have, so nothing of it is read.",
            next_step=f"Correct it. Missive has: {known}.",
        )
    return {str(each) for each in found}


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _with_all_below(labels: set[str], parents: Sequence[tuple[str, str | None]]) -> frozenset[str]:
    found, size = set(labels), 0
    while len(found) > size:
        size = len(found)
        found |= {label for label, parent in parents if parent in found}
    return frozenset(found)


def _ids(values: object) -> Iterable[str]:
    return filter(None, map(identifier, mappings(values)))
