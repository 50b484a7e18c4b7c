"""Reads what the live lane did in the order in which it was committed, so that nothing is told twice or never.

Ids are given out when a row is written, not when it is committed: a transaction with a smaller id may commit after one
with a larger id was told, and a cursor over ids would skip it for ever. So rows are read in the order of (xid, id), and
only those whose transaction is below the snapshot's xmin: all transactions below are over, and none can appear there.

A database that was restored from a dump into another server carries transaction numbers of a former life. The cursor
names the server, and numbers that this server has not reached yet give it away too: such rows get numbers of this life,
and the cursor begins anew. What was told in the former life is not told again but for the last moments before the dump.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibhelm_pipelines.db.connect import Connection

MAX_ROWS = 2000
MAX_EVENTS = 40
"""Assets and folders told of at once: each costs Dagster 20-70 ms, and a tick must stay below 5 s."""

MAX_PAIRS = 500
"""Assets and folders that are summed up at most, told or carried in the cursor (60 KB)."""

FORGOTTEN_AT_ONCE = 5000

Pair = tuple[str, str]
"""Asset and folder."""


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """How far the outbox was read.

    Attributes:
        server: system identifier of the server whose transaction numbers these are.
        carried: numbers of rows up to here that are not told yet. Without it a storm that touches folders by turns
            would be cut after every few rows, and be told for hours.
    """

    xid: int = 0
    id: int = 0
    server: str = ""
    carried: dict[Pair, Counter[str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> Cursor:
        if not text:
            return cls()
        values = json.loads(text)
        carried = {(asset, folder): Counter(counts) for asset, folder, counts in values.pop("carried", [])}
        return cls(**values, carried=carried)

    def __str__(self) -> str:
        carried = [[*pair, counts] for pair, counts in self.carried.items()]
        return json.dumps({"xid": self.xid, "id": self.id, "server": self.server, "carried": carried})


@dataclass(frozen=True, kw_only=True)
class News:
    """What is to be told now.

    Attributes:
        cursor: where it ends; to be kept once it was told.
        events: the summed numbers by asset and folder.
        waiting: rows that are not read yet, or cannot be before an older transaction is over.
    """

    cursor: Cursor
    events: dict[Pair, Counter[str]]
    waiting: int

    def continues(self, told: Cursor) -> bool:
        """Whether the former cursor still means something: not after a restore into another server."""
        return told.server == self.cursor.server and told.xid <= self.cursor.xid


def read_news(connection: Connection, cursor: Cursor) -> News:
    """Sum up the next rows after the cursor; tell the oldest sums, and carry the others."""
    start = _of_this_life(connection, cursor)
    sql = load_queries("outbox")
    sums = {pair: counts.copy() for pair, counts in start.carried.items()}
    xid, last = start.xid, start.id
    for row_xid, row_id, asset, folder, counts in connection.execute(sql["untold"], _values(start, limit=MAX_ROWS)):
        if (asset, folder) not in sums and len(sums) == MAX_PAIRS:
            break
        sums.setdefault((asset, folder), Counter()).update(counts)
        xid, last = row_xid, row_id
    events = dict(islice(sums.items(), MAX_EVENTS))
    carried = dict(islice(sums.items(), MAX_EVENTS, None))
    end = replace(start, xid=xid, id=last, carried=carried)
    [(waiting,)] = connection.execute(sql["untold_yet"], _values(end)).fetchall()
    return News(cursor=end, events=events, waiting=waiting)


def forget_told(connection: Connection, cursor: Cursor) -> None:
    """Delete what was told more than a week ago; some at a time."""
    connection.execute(load_queries("outbox")["forget_old"], _values(cursor, limit=FORGOTTEN_AT_ONCE))


def count_live_files(connection: Connection, folders: Iterable[str]) -> dict[str, int]:
    """Return how many live files lie in each of these folders."""
    rows = connection.execute(load_queries("outbox")["live_files"], {"folders": list(folders)}).fetchall()
    return dict(rows)


def _of_this_life(connection: Connection, cursor: Cursor) -> Cursor:
    """Return the cursor, or where to begin when it or rows come from another server."""
    sql = load_queries("outbox")
    [(server, next_xid)] = connection.execute(sql["life"]).fetchall()
    known = cursor.server in ("", server) and cursor.xid < next_xid
    with connection.transaction():
        if not known:
            connection.execute(sql["forget_former_life"], _values(cursor))
        connection.execute(sql["adopt"])
    return replace(cursor, server=server) if known else Cursor(server=server, carried=cursor.carried)


def _values(cursor: Cursor, **more: int) -> dict[str, int]:
    return {"xid": cursor.xid, "id": cursor.id, **more}
