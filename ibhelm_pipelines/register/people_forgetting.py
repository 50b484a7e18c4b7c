"""Removes persons who have to be forgotten (docs/privacy.md): with all that people wrote about them, for good.

Who was merged with such a person by hand is the same person, and goes, too. What other addresses and accounts still say
becomes a person anew, by the next merging, which leaves out forgotten addresses wherever they stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.db.connect import Connection


@dataclass(frozen=True, kw_only=True)
class Doomed:
    """What is to go, by our ids."""

    identities: tuple[int, ...]
    persons: tuple[int, ...]


def find_people(
    connection: Connection, addresses: Sequence[str], *, users: Sequence[str], contacts: Sequence[str]
) -> Doomed:
    """Find the persons who have some addresses; nothing is changed.

    Args:
        connection: of the caller.
        addresses: in their one spelling.
        users: colleagues with these addresses, by Missive's ids.
        contacts: cards with these addresses, by Missive's ids.
    """
    values = {"addresses": list(addresses), "users": list(users), "contacts": list(contacts)}
    statement = load_queries("people")["identities_of_forgotten"]
    [(identities, persons)] = connection.execute(statement, values).fetchall()
    return Doomed(identities=tuple(identities), persons=tuple(persons))


def remove_people(
    connection: Connection, addresses: Sequence[str], *, users: Sequence[str], contacts: Sequence[str]
) -> int:
    """Remove them in the caller's transaction, after a merging that is under way; return how many persons went.

    The addresses are noted as forgotten before: then no later merging makes them anew.
    """
    sql = load_queries("people")
    connection.execute(sql["lock_people"])
    doomed = find_people(connection, addresses, users=users, contacts=contacts)
    connection.execute(sql["delete_identities_of_forgotten"], {"identities": list(doomed.identities)})
    for name in ("release_identities_of_forgotten", "delete_forgotten_persons"):
        connection.execute(sql[name], {"persons": list(doomed.persons)})
    return len(doomed.persons)
