"""One access, as it is written down: who, when, what; never the words that were searched, nor a network address."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import uuid
from dataclasses import asdict, dataclass, field
from typing import Literal

Way = Literal["link", "page", "api", "mcp", "cli"]
Action = Literal["preview", "download", "search", "read", "similar", "project", "sql", "access log"]
Outcome = Literal["allowed", "denied"]

LONGEST_NAME = 320
"""Of an account: the longest mail address."""

DIGEST_CHARACTERS = 16


@dataclass(frozen=True, kw_only=True)
class Access:
    """Something that somebody read, or was not let read. See ops.access_log for the meanings.

    Attributes:
        id: given once, so that an entry that is delivered twice is stored once.
    """

    way: Way
    action: Action
    who: str | None = None
    client: str | None = None
    items: tuple[str, ...] = ()
    content_hash: str | None = None
    row_count: int | None = None
    outcome: Outcome = "allowed"
    status: int = 200
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @property
    def essence(self) -> tuple[object, ...]:
        """What makes two of them one, within a minute; of what was denied nothing counts but from where."""
        what = (self.items, self.content_hash, self.row_count) if self.outcome == "allowed" else ()
        return self.way, self.action, self.who, self.client, self.outcome, what

    def line(self) -> bytes:
        """Return it as one line of the journal."""
        said = asdict(self) | {"at": self.at.isoformat(), "who": _plain(self.who), "items": list(self.items)}
        return json.dumps(said).encode() + b"\n"


def row_of(line: bytes) -> dict[str, object]:
    """Return a line of the journal as a row for ops.access_log.

    Raises:
        ValueError: it is none.
    """
    said = json.loads(line)
    if not isinstance(said, dict):
        raise ValueError("not an object")  # noqa: TRY004 - the caller asks whether the line can be read
    return said


def client_digest(secret: str, address: str, day: dt.date) -> str:
    """Return what stands for a network address on one day: a suspicion can be checked, nobody can be followed.

    Args:
        secret: IBHELM_WEB_SECRET.
        address: as the server sees it.
        day: in UTC.
    """
    said = f"access log client/{day.isoformat()}/{address}"
    return hmac.digest(secret.encode(), said.encode("utf-8", "replace"), hashlib.sha256).hex()[:DIGEST_CHARACTERS]


def _plain(name: str | None) -> str | None:
    """Return a name as Postgres takes it."""
    return None if name is None else name.replace("\0", "")[:LONGEST_NAME].encode("utf-8", "replace").decode()
