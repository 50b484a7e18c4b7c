"""What is stored of some addresses: found, counted and listed, before anything is removed.

Bodies are searched as text for candidates; who is really named in one is decided by the same code that keeps forgotten
people out of what is read later (db/forgotten.py).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.forgotten import COMMENTS, CONTACTS, MESSAGES, USERS, Forgotten, normal
from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Connection

ROWS_AT_ONCE = 200
"""Bodies in memory; one may have megabytes."""

_PLAIN = re.compile(r"""[!#$&-/0-9:;<=>?@A-Z[\]^_`a-z{|}~]+""")
"""ASCII that JSON does not write otherwise."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What is stored of some people. Mails, comments and their attachments stand in temporary tables.

    Attributes:
        contacts: Missive's ids.
        users: the same, of colleagues.
        named_in: bodies that stay and name somebody: kind and id.
        posts: ids of webhook posts that name somebody.
        known: the addresses of which anything is stored.
    """

    emails: tuple[tuple[str, str], ...]
    comments: tuple[str, ...]
    contacts: tuple[str, ...]
    users: tuple[str, ...]
    named_in: tuple[tuple[str, str], ...]
    posts: tuple[int, ...]
    known: frozenset[str]


@dataclass
class _Bodies:
    owned: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    named_in: list[tuple[str, str]] = field(default_factory=list)


def find(connection: Connection, addresses: Sequence[str]) -> Findings:
    """Find what is stored.

    Args:
        connection: with temporary tables of its own; is asked once.
        addresses: in their one spelling.
    """
    who = Forgotten.of(connection, addresses)
    sql = load_queries("privacy")
    for statement in ("create_doomed", "empty_doomed"):
        connection.execute(sql[statement])
    bodies = _read_bodies(connection, who, addresses)

    def ids(statement: str, kind: str) -> tuple[str, ...]:
        values = {"addresses": list(addresses), "ids": bodies.owned[kind]}
        return tuple(each for (each,) in connection.execute(sql[statement], values))

    for statement, kind in (("doom_emails", MESSAGES), ("doom_comments", COMMENTS)):
        connection.execute(sql[statement], {"addresses": list(addresses), "ids": bodies.owned[kind]})
    connection.execute(sql["doom_attachments"], {"email": None, "comment": None})
    posts = tuple(_read_posts(connection, who, addresses))
    in_tables = {each for (each,) in connection.execute(sql["known_addresses"], {"addresses": list(addresses)})}
    return Findings(
        emails=tuple(connection.execute(sql["list_doomed_emails"]).fetchall()),
        comments=tuple(each for (each,) in connection.execute(sql["list_doomed_comments"])),
        contacts=ids("list_contacts", CONTACTS),
        users=ids("list_users", USERS),
        named_in=tuple(bodies.named_in),
        posts=posts,
        known=frozenset(each for each in addresses if each in in_tables or who.has_met(each)),
    )


def _read_bodies(connection: Connection, who: Forgotten, addresses: Sequence[str]) -> _Bodies:
    found = _Bodies()
    for kind, vendor_id, body in _stream(connection, "named_in_raw", addresses):
        cleaned = who.clean(kind, body)
        if cleaned is None:
            found.owned[kind].append(vendor_id)
        elif cleaned != body:
            found.named_in.append((kind, vendor_id))
    return found


def _read_posts(connection: Connection, who: Forgotten, addresses: Sequence[str]) -> Iterator[int]:
    for number, body in _stream(connection, "webhook_posts", addresses):
        try:
            said: Any = json.loads(body)
        except ValueError:
            said = [bytes(body).decode("utf-8", "replace")]
        if any(normal(text) in addresses for text in _texts(said)) or who.clean("", {"said": said}) != {"said": said}:
            yield number


def _stream(connection: Connection, statement: str, addresses: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    patterns = [pattern(max(_PLAIN.findall(each), key=len, default="")) for each in addresses]
    with connection.transaction(), connection.cursor(name="bodies") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        yield from cursor.execute(load_queries("privacy")[statement], {"patterns": patterns})


def pattern(text: str) -> str:
    """Return what LIKE takes for whatever holds a text."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
