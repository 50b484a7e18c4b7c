"""Who must not come back: the addresses that were forgotten, and what of a body may be stored in spite of them.

No address stands in the database, only a salted digest of each: it tells whether an address that somebody names is
among them, which is all that is needed to keep it away and to prove that it is. Whoever stores bodies of Missive's
takes each of them through `clean`, in the transaction that stores it: a run that notes an address waits for the same
lock, so that nothing slips in between.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ibhelm_pipelines.db.connect import Connection

SALT_BYTES = 32

MESSAGES, COMMENTS, CONTACTS, USERS = "emails", "email_comments", "contacts", "missive_users"
CONVERSATIONS = "conversations"
"""Kinds of ops.raw_records that are more than bodies in which somebody may be named."""

_ADDRESS_KEYS = ("address", "phone_number", "username", "id")
"""Where a correspondent is reached, the first that is said (vendors/missive/fields.py: the same order)."""

_OF_COLLEAGUE = ("email", "name", "first_name", "last_name", "avatar_url")
"""What of a colleague says who it is. The bare id stays: whether a conversation is closed depends on who has it."""

_JOINED = ", "


def normal(address: str) -> str:
    """Return an address in the one spelling in which it is kept and compared (lesson 23)."""
    return unicodedata.normalize("NFC", address).strip().lower()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One forgotten address."""

    id: int
    salt: bytes
    digest: bytes

    def is_of(self, address: str) -> bool:
        """Whether it is this one, in its one spelling."""
        return hmac.compare_digest(self.digest, _digest(self.salt, address))


@dataclass(frozen=True)
class Forgotten:
    """The forgotten addresses as one transaction sees them.

    Attributes:
        connection: over which they were read, and conversations are asked for.
    """

    connection: Connection
    entries: tuple[Entry, ...]
    _known: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def load(cls, connection: Connection) -> Forgotten:
        """Read them: one short statement."""
        rows = connection.execute(load_queries("forgotten")["list_forgotten"]).fetchall()
        return cls(connection, tuple(Entry(id=number, salt=salt, digest=digest) for number, salt, digest in rows))

    @classmethod
    def of(cls, connection: Connection, addresses: Iterable[str]) -> Forgotten:
        """Return what it would be if these alone were noted."""
        return cls(connection, tuple(map(new_entry, addresses)))

    def has_met(self, address: str) -> bool:
        """Whether this forgotten address stood in something that was asked about."""
        return self._known.get(normal(address), False)

    def entry_of(self, address: str) -> Entry | None:
        """Return what is noted of an address."""
        wanted = normal(address)
        return next((entry for entry in self.entries if entry.is_of(wanted)), None)

    def hides(self, addresses: Iterable[object]) -> bool:
        """Whether one of these is forgotten; what is no text is none."""
        return any(self._hides(each) for each in addresses) if self.entries else False

    def _hides(self, address: object) -> bool:
        if not isinstance(address, str) or not address:
            return False
        wanted = normal(address)
        if wanted not in self._known:
            self._known[wanted] = any(entry.is_of(wanted) for entry in self.entries)
        return self._known[wanted]

    def clean(self, kind: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what of a body may be stored; None: nothing, and of a message only that it exists.

        Args:
            kind: as in ops.raw_records.
            body: as the vendor sent it; stays as it is.
        """
        if not self.entries:
            return dict(body)
        if self.hides(_owners(kind, body)):
            return None
        cleaned: dict[str, Any] = self._without(dict(body))
        if kind == CONVERSATIONS and self._is_affected(body):
            return self._with_own_subject(cleaned)
        inner = body.get("conversation")
        if kind == MESSAGES and isinstance(inner, dict) and self._is_affected(inner):
            cleaned["conversation"] = {"id": inner.get("id")}  # its subject may be that of a forgotten mail
        return cleaned

    def _is_affected(self, conversation: Mapping[str, Any]) -> bool:
        """Whether a forgotten mail is, or may be, in a conversation."""
        authors = [*_dicts(conversation.get("authors")), *_dicts(conversation.get("external_authors"))]
        if self.hides(_reached(each) for each in authors):
            return True
        [(found,)] = self._ask("holds_forgotten_messages", conversation=str(conversation.get("id")))
        return bool(found)

    def _with_own_subject(self, conversation: dict[str, Any]) -> dict[str, Any]:
        """Let the subject be that of the latest mail that is stored: Missive's may be of a forgotten one."""
        stored = self._ask("latest_stored_subject", conversation=str(conversation.get("id")))
        return {**conversation, "latest_message_subject": stored[0][0] if stored else None}

    def _without(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._without(each) for each in value if not self._is_correspondent(each)]
        if not isinstance(value, dict):
            return value
        kept = {name: None if self._is_correspondent(each) else self._without(each) for name, each in value.items()}
        if self.hides([value.get("email")]):
            kept |= dict.fromkeys(kept.keys() & set(_OF_COLLEAGUE))
        return self._without_joined(kept)

    def _is_correspondent(self, value: object) -> bool:
        return isinstance(value, dict) and self.hides([_reached(value)])

    def _without_joined(self, value: dict[str, Any]) -> dict[str, Any]:
        """Take somebody out of `assignee_emails` and, at the same place, out of `assignee_names`."""
        emails = str(value.get("assignee_emails") or "").split(_JOINED)
        stay = [at for at, email in enumerate(emails) if not self.hides([email])]
        if len(stay) == len(emails):
            return value
        names = str(value.get("assignee_names") or "").split(_JOINED)
        kept = _JOINED.join(names[at] for at in stay) if len(names) == len(emails) else None
        return {**value, "assignee_emails": _JOINED.join(emails[at] for at in stay), "assignee_names": kept}

    def _ask(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(load_queries("forgotten")[name], values).fetchall()


def new_entry(address: str) -> Entry:
    """Return an address as it may be noted; nothing is noted yet."""
    salt = secrets.token_bytes(SALT_BYTES)
    return Entry(id=0, salt=salt, digest=_digest(salt, normal(address)))


def note(connection: Connection, address: str) -> Entry:
    """Note an address, so that what comes of it from now on is not stored."""
    entry = new_entry(address)
    statement = load_queries("forgotten")["note_forgotten"]
    [(number,)] = connection.execute(statement, {"salt": entry.salt, "digest": entry.digest}).fetchall()
    return replace(entry, id=number)


def keep_forgotten_messages(connection: Connection, conversation: str, ids: Collection[str]) -> None:
    """Remember which messages of a conversation, read whole, are not kept: all that Missive counts and we do not.

    Args:
        connection: of the transaction that stores the others.
        conversation: Missive's id.
        ids: Missive's ids; the empty set too, because messages vanish.
    """
    sql = load_queries("forgotten")
    values = {"conversation": conversation, "ids": sorted(ids)}
    connection.execute(sql["drop_forgotten_messages"], values)
    if ids:
        connection.execute(sql["keep_forgotten_messages"], values)


def _digest(salt: bytes, address: str) -> bytes:
    return hmac.digest(salt, address.encode("utf-8", "surrogatepass"), hashlib.sha256)


def _owners(kind: str, body: Mapping[str, Any]) -> list[object]:
    """Return the addresses of whom a body is: a forgotten one of them takes all of it away."""
    if kind == MESSAGES:
        return [_reached(each) for each in _dicts([body.get("from_field")])]
    if kind == COMMENTS:
        return [each.get("email") for each in _dicts([body.get("author")])]
    if kind == USERS:
        return [body.get("email")]
    if kind == CONTACTS:
        return [value for each in _dicts(body.get("infos")) for value in each.values()]
    return []


def _reached(party: Mapping[str, Any]) -> object:
    return next((party[key] for key in _ADDRESS_KEYS if party.get(key) not in (None, "")), None)


def _dicts(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
