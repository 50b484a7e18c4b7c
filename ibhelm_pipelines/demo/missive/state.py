"""The office as Missive has it: every row that ever was, by table and id, and who may see which conversation.

Rows carry the vendor's own key names, and ids where the vendor nests rows; times are Unix seconds. Keys that begin with
an underscore never leave the simulator. Rows are never taken out: `_gone` marks those that have vanished.

Conversations have besides: `users` {id of each user who sees it: the names of the flags that are set for that user},
`_guest` (the token's user was only invited), `_merged_into` (id), `_uncounted` (see `messages_count_lags`).
Messages have `conversation` (id), `body`, `_trashed`, and attachments with `_content` (see `contents.py`) and `_url`
(False where the vendor tells none).

Invariant: whoever reads or changes anything holds `lock`, and every change raises `version`.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ibhelm_pipelines.demo.missive.switches import Switches

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from ibhelm_pipelines.demo.missive.contents import Contents

Row = dict[str, Any]

TABLES = (
    "organizations",
    "users",
    "teams",
    "shared_labels",
    "contact_books",
    "contact_groups",
    "contacts",
    "conversations",
    "messages",
    "comments",
    "drafts",
    "posts",
)
INSIDE = ("messages", "comments", "drafts", "posts")
"""Tables whose rows belong to a conversation."""

TIMES = {"messages": "delivered_at", "comments": "created_at", "drafts": "delivered_at", "posts": "created_at"}
FLAGS = ("closed", "archived", "trashed", "junked", "flagged", "snoozed")


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that a webhook may tell.

    Attributes:
        kind: such as `incoming_email`.
        conversation: the conversation's row.
        message: the message, if it is about one.
        comment: the comment, if it is about one.
    """

    kind: str
    conversation: Row
    message: Row | None = None
    comment: Row | None = None


class Office:
    """All rows, the clock they are stamped with, and who listens to changes.

    Args:
        clock: says what time it is; the only source of time.
        contents: the bytes of attachments.
        seed: of the ids.
        switches: the vendor's habits, some of which show when rows change.
    """

    def __init__(
        self, *, clock: Callable[[], dt.datetime], contents: Contents, seed: int, switches: Switches | None = None
    ) -> None:
        self.lock = threading.RLock()
        self.clock, self.contents, self.switches = clock, contents, switches or Switches()
        self.skew_seconds = 0.0
        self.version = 0
        self.me = ""
        self.listeners: list[Callable[[Event], None]] = []
        self.tables: dict[str, dict[str, Row]] = {table: {} for table in TABLES}
        self.attachments: dict[str, Row] = {}
        self._ids = Random(f"{seed} ids")
        self._inside: dict[str, dict[str, dict[str, Row]]] = {table: defaultdict(dict) for table in INSIDE}

    def as_json(self) -> dict[str, Any]:
        """Return all of it in a shape that survives JSON."""
        with self.lock:
            tables = {table: [dict(row) for row in rows.values()] for table, rows in self.tables.items()}
            return {"tables": tables, "me": self.me}

    def take(self, kept: dict[str, Any]) -> None:
        """Become the office that `as_json` kept, instead of this one; new ids are drawn from elsewhere."""
        with self.lock:
            self.attachments.clear()
            for table in TABLES:
                self.tables[table].clear()
                self._inside.get(table, {}).clear()
                for row in kept["tables"][table]:
                    self.add(table, row)
            self.me, self._ids = kept["me"], Random()

    def moment(self) -> dt.datetime:
        """The time by the vendor's clock, which may be wrong."""
        return self.clock() + timedelta(seconds=self.skew_seconds)

    def now(self) -> int:
        """The same in Unix seconds."""
        return int(self.moment().timestamp())

    def new_id(self) -> str:
        """An id that no row ever had."""
        return str(UUID(int=self._ids.getrandbits(128), version=4))

    def add(self, table: str, row: Row) -> Row:
        """Keep a new row; it gets an id unless it has one."""
        row.setdefault("id", self.new_id())
        row.setdefault("_gone", False)
        self.tables[table][row["id"]] = row
        if table in INSIDE:
            self._inside[table][row["conversation"]][row["id"]] = row
        if table == "messages":
            self.attachments |= {each["id"]: each for each in row["attachments"]}
        if table == "comments" and row["attachment"]:
            self.attachments[row["attachment"]["id"]] = row["attachment"]
        self.version += 1
        return row

    def change(self, row: Row, values: Row) -> None:
        """Set values of a row without telling anybody."""
        row.update(values)
        self.version += 1

    def move_inside(self, table: str, row: Row, conversation: str) -> None:
        """Put a message, comment, draft or post into another conversation."""
        del self._inside[table][row["conversation"]][row["id"]]
        self._inside[table][conversation][row["id"]] = row
        self.change(row, {"conversation": conversation})

    def touch(self, conversation: Row, at: int | None = None) -> None:
        """Move a conversation to the top; activity never goes back."""
        moment = self.now() if at is None else at
        self.change(conversation, {"last_activity_at": max(moment, conversation["last_activity_at"])})

    def emit(self, event: Event) -> None:
        """Tell the listeners what happened."""
        for listener in self.listeners:
            listener(event)

    def inside(self, table: str, conversation_id: str) -> list[Row]:
        """Return what a conversation shows of a table, newest first."""
        rows = [row for row in self._inside[table][conversation_id].values() if self.is_shown(table, row)]
        return sorted(rows, key=lambda row: (time_of(table, row), row["id"]), reverse=True)

    def is_shown(self, table: str, row: Row) -> bool:
        """Return whether a row of a conversation is listed and counted."""
        hidden = table == "messages" and row["_trashed"] and not self.switches.trashed_messages_count
        return not row["_gone"] and not hidden

    def everything_inside(self, table: str, conversation_id: str) -> list[Row]:
        """Return the rows of a conversation, deleted ones too."""
        return list(self._inside[table][conversation_id].values())

    def survivor(self, conversation_id: str) -> Row | None:
        """Return the conversation that an id leads to, through merges."""
        row = self.tables["conversations"].get(conversation_id)
        while row and row["_merged_into"]:
            row = self.tables["conversations"][row["_merged_into"]]
        return row

    def is_listed(self, conversation: Row) -> bool:
        """Return whether some mailbox of the token's user shows a conversation."""
        return not conversation["_gone"] and not conversation["_merged_into"] and self.me in conversation["users"]

    def is_readable(self, conversation: Row) -> bool:
        """Return whether the token's user may read a conversation itself."""
        invited = conversation["_guest"] and not self.switches.guest_conversations_readable
        return self.is_listed(conversation) and not invited

    def live(self, table: str) -> Iterator[Row]:
        """The rows that a person sees and could change."""
        conversations = self.tables["conversations"]
        for row in self.tables[table].values():
            conversation = row if table == "conversations" else conversations.get(row.get("conversation", ""))
            if not row["_gone"] and (conversation is None or self.is_readable(conversation)):
                yield row

    def teams_of(self, user: str) -> list[str]:
        """Return the ids of the teams that a user is in."""
        return [team["id"] for team in self.live("teams") if user in (*team["active_members"], *team["observers"])]


def time_of(table: str, row: Row) -> int:
    """When a row of a conversation happened; where that makes no sense, when the vendor made the row."""
    moment = row[TIMES[table]]
    return moment if isinstance(moment, int) else int(row.get("created_at") or 0)
