"""Reads what is in conversations: all messages with their bodies, all comments, all attachments.

Nobody tells that a message was deleted or moved, so each reading of a conversation is a whole one: what we hold and it
does not show any more is asked for by its id before it counts as gone. What was read of a conversation is stored in one
transaction; one that cannot be read is noted with the reason, and stops no other.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import structlog

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.forgotten import Forgotten, keep_forgotten_messages
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import (
    IbhelmError,
    VendorForbiddenError,
    VendorMissingError,
    VendorRequestError,
    VendorUnavailableError,
)
from ibhelm_pipelines.vendors.missive.fields import identifier, moment
from ibhelm_pipelines.vendors.missive.records import CONVERSATION, attachments_of_comment, attachments_of_email
from ibhelm_pipelines.vendors.missive.resources import ATTACHMENTS, COMMENTS, CONVERSATIONS, EMAILS
from ibhelm_pipelines.vendors.store import Counts

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from ibhelm_pipelines.vendors.missive.api import Api
    from ibhelm_pipelines.vendors.missive.gate import Gate
    from ibhelm_pipelines.vendors.tables import Row

AT_ONCE = 20
"""Conversations whose messages' bodies are asked for together; a reading that is killed repeats so many."""

FAILURES = 3
"""After so many conversations in a row that could not be read it is Missive that has a trouble."""


GONE_PERHAPS = "Missive does not show it any more; the next sweep of everything says whether it is gone"
"""Lost access looks the same, and only a sweep of everything sees how much is gone at once."""


@dataclass(kw_only=True)
class Tally:
    """What was done, by asset and by month of the conversation."""

    counts: dict[str, dict[str, Counts]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Counts)))

    def add(self, asset: str, month: str, counts: Counts) -> None:
        self.counts[asset][month] += counts


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """A conversation as its lists show it.

    Attributes:
        started: when it was first asked for, by our database's clock.
        messages: without their bodies, by id.
    """

    id: str
    started: dt.datetime
    messages: Mapping[str, Row]
    comments: Sequence[Row]


_Bodies = dict[str, "tuple[Row, dt.datetime] | None"]
"""Messages with their bodies, and when they were asked for; None of those that are gone."""


class ContentReader:
    """Reads conversations; not for several threads at once.

    Args:
        api: to ask.
        gate: to the tables.
        told: is called in each transaction with what it does for a conversation: month, and counts by asset.
        tally: sums that up.
    """

    def __init__(
        self,
        api: Api,
        gate: Gate,
        told: Callable[[str, Mapping[str, Counts]], None] = lambda _month, _counts: None,
        *,
        tally: Tally | None = None,
    ) -> None:
        self._api, self._gate, self._store, self._told = api, gate, gate.store, told
        self._sql = load_queries("missive")
        self._failures = 0
        self.tally = tally or Tally()
        self.survivors: set[str] = set()
        """Conversations into which one was merged that was looked at."""

    def read_due(
        self,
        ids: Collection[str] | None = None,
        *,
        again: bool = False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Read what is due, newest first.

        Args:
            ids: only these; None for all.
            again: whether bodies that are stored are asked for too.
            progress: is told before each step how many are left.

        Raises: as `Api`; what was read before is stored.
        """
        while due := [number for (number,) in self._run("due", ids=ids and list(ids), limit=AT_ONCE)]:
            progress(self._run("count_due").fetchone()[0])
            self._read(due, again=again)

    def look(self, number: str) -> None:
        """Ask for a conversation by its id: store it, or what became of it.

        Raises: as `Api`.
        """
        asked = self._store.now()
        if not self._find(number):
            self._bury(number, asked)

    def look_for(self, numbers: Sequence[str]) -> None:
        """Ask for each of these; one that cannot be asked for stays as it is, and stops no other.

        Raises: as `Api`, where several in a row cannot be asked for.
        """
        for number in numbers:
            try:
                self.look(number)
            except (VendorRequestError, VendorUnavailableError) as error:
                self._note_failure(number, error)
            else:
                self._failures = 0

    def _find(self, number: str) -> bool:
        """Store a conversation, or the one that it was merged into; return whether Missive knows it."""
        try:
            row, read_at = self._api.conversation(number)
        except VendorMissingError:
            return False
        except VendorForbiddenError:
            structlog.get_logger().warning("hidden_from_us", resource="conversations", id=number)
        else:
            self._store_one(number, row, read_at)
        return True

    def _store_one(self, number: str, row: Row, read_at: dt.datetime) -> None:
        with self._store.writing():
            counts = self._gate.put([row], read_at, force=True)
            self._count(str(identifier(row)), {CONVERSATIONS.asset: counts})
            survivor = identifier(row)
            if survivor == number or survivor is None:
                return
            self.survivors.add(survivor)
            if self._has(survivor):
                self._run("move_contents", id=number, into=survivor)
                self._bury(number, read_at)
            elif self._gate.policy.allows(row) is False:
                self._gate.purge([number])

    def _bury(self, number: str, read_at: dt.datetime) -> None:
        """Mark a conversation as deleted, and what was last in it."""
        with self._store.writing():
            emails, comments = self._live("live_emails", number), self._live("live_comments", number)
            counts = {CONVERSATIONS.asset: self._store.bury(CONVERSATIONS, [number], read_at)}
            counts |= self._bury_contents(emails, comments, read_at)
            self._run("forget_listed", ids=[number])
            self._count(number, counts)

    def _bury_contents(
        self, emails: Collection[str], comments: Collection[str], read_at: dt.datetime
    ) -> dict[str, Counts]:
        self._store.bury(ATTACHMENTS, self._live_attachments(emails, comments), read_at)
        return {
            EMAILS.asset: self._store.bury(EMAILS, emails, read_at),
            COMMENTS.asset: self._store.bury(COMMENTS, comments, read_at),
        }

    def _read(self, due: Sequence[str], *, again: bool) -> None:
        listed = [each for number in due if (each := self._list(number)) is not None]
        for each, bodies in self._with_bodies(listed, again=again):
            try:
                gone = self._gone(each, bodies)
            except (VendorRequestError, VendorUnavailableError) as error:
                self._note_failure(each.id, error)
            else:
                self._store_contents(each, bodies, gone)

    def _list(self, number: str) -> _Listed | None:
        """Return what a conversation holds; None where that cannot be known, which is noted."""
        started = self._store.now()
        try:
            messages, comments = self._api.messages_of(number), self._api.comments_of(number)
        except VendorMissingError:
            known = self._find(number)
            self._put_off(number, "Missive shows nothing in it" if known else GONE_PERHAPS)
            return None
        except (VendorRequestError, VendorForbiddenError, VendorUnavailableError) as error:
            self._note_failure(number, error)
            return None
        return _Listed(
            id=number, started=started, messages={str(identifier(row)): row for row in messages}, comments=comments
        )

    def _note_failure(self, number: str, error: IbhelmError) -> None:
        self._put_off(number, str(error))
        self._failures += isinstance(error, VendorUnavailableError)
        if self._failures >= FAILURES:
            raise error

    def _put_off(self, number: str, reason: str) -> None:
        self._run("note_failed", id=number, error=reason)
        structlog.get_logger().warning("conversation_not_read", id=number, reason=reason)

    def _with_bodies(self, listed: Sequence[_Listed], *, again: bool) -> Iterator[tuple[_Listed, _Bodies]]:
        """Yield conversations with the bodies that are wanted; asked for together, and singly where that fails."""
        try:
            bodies = self._bodies(listed, again=again)
        except (VendorRequestError, VendorForbiddenError, VendorUnavailableError) as error:
            if len(listed) == 1:
                self._note_failure(listed[0].id, error)
                return
        else:
            self._failures = 0
            yield from ((each, bodies) for each in listed)
            return
        for each in listed:
            yield from self._with_bodies([each], again=again)

    def _bodies(self, listed: Sequence[_Listed], *, again: bool) -> _Bodies:
        of = {number: each for each in listed for number in each.messages.keys() - self._hidden(each)}
        known = self._known(listed)
        wanted = [number for number, each in of.items() if again or _differs(each, number, known.get(number))]
        found: _Bodies = dict.fromkeys(wanted)
        for page in self._api.messages(wanted):
            for row in page.rows:
                number = str(identifier(row))
                found[number] = {**of[number].messages[number], **row, CONVERSATION: of[number].id}, page.read_at
        return found

    def _hidden(self, listed: _Listed) -> set[str]:
        """Return the messages of people who were forgotten: of them we keep that they exist, or counts would differ."""
        with translated_errors():
            forgotten = Forgotten.load(self._store.connection)
            return {number for number, row in listed.messages.items() if forgotten.clean(EMAILS.name, row) is None}

    def _known(self, listed: Sequence[_Listed]) -> dict[str, tuple[Any, ...]]:
        ids = [number for each in listed for number in each.messages]
        rows = self._run("known_emails", ids=ids, conversations=[each.id for each in listed])
        return {number: rest for number, *rest in rows}

    def _gone(self, listed: _Listed, bodies: _Bodies) -> set[str]:
        """Return which messages of a conversation are not there any more."""
        missing = {number for number in listed.messages if number in bodies and bodies[number] is None}
        vanished = set(self._live("live_emails", listed.id)) - set(listed.messages)
        return missing | {number for number in vanished if self._is_gone(number, listed.id)}

    def _store_contents(self, listed: _Listed, bodies: _Bodies, gone: Collection[str]) -> None:
        with self._store.writing():
            if not self._has(listed.id):
                self._put_off(listed.id, "The conversation itself was not stored; see ops.raw_records.error")
                return
            [(overtaken,)] = self._run("was_read_since", id=listed.id, started=listed.started).fetchall()
            if overtaken:
                return
            hidden = self._hidden(listed)
            keep_forgotten_messages(self._store.connection, listed.id, hidden)
            shown = (number for number in listed.messages if number not in hidden)
            emails = self._put_emails([read for number in shown if (read := bodies.get(number))])
            comments = self._put_comments(listed)
            self._run("mark_read", id=listed.id, started=listed.started)
            buried = self._bury_contents(gone, self._absent_comments(listed), listed.started)
            counts = {EMAILS.asset: emails + buried[EMAILS.asset], COMMENTS.asset: comments + buried[COMMENTS.asset]}
            self._count(listed.id, counts)

    def _put_emails(self, read: Sequence[tuple[Row, dt.datetime]]) -> Counts:
        counts = Counts()
        for read_at, group in groupby(read, key=itemgetter(1)):
            rows = [row for row, _ in group]
            attachments = [each for row in rows for each in attachments_of_email(row)]
            counts += self._store.put(EMAILS, rows, read_at)
            failed = self._put_attachments(attachments, {str(row["id"]) for row in rows}, set(), read_at)
            counts += Counts(failed=failed)
        return counts

    def _put_comments(self, listed: _Listed) -> Counts:
        forgotten = Forgotten.load(self._store.connection)
        shown = (row for row in listed.comments if forgotten.clean(COMMENTS.name, row) is not None)
        rows = [{**row, CONVERSATION: listed.id} for row in shown]
        counts = self._store.put(COMMENTS, rows, listed.started)
        attachments = [each for row in rows for each in attachments_of_comment(row)]
        failed = self._put_attachments(attachments, set(), {str(row["id"]) for row in rows}, listed.started)
        return counts + Counts(failed=failed)

    def _put_attachments(
        self, rows: Sequence[Row], emails: Collection[str], comments: Collection[str], read_at: dt.datetime
    ) -> int:
        """Store what hangs on these; return how many were not understood."""
        absent = set(self._live_attachments(emails, comments)) - {str(row["id"]) for row in rows}
        self._store.bury(ATTACHMENTS, absent, read_at)
        return self._store.put(ATTACHMENTS, rows, read_at).failed

    def _absent_comments(self, listed: _Listed) -> set[str]:
        return set(self._live("live_comments", listed.id)) - {str(identifier(row)) for row in listed.comments}

    def _is_gone(self, number: str, conversation: str) -> bool:
        """Ask for a message that its conversation does not show any more; what is elsewhere is read with that one."""
        try:
            row, _ = self._api.message(number)
        except VendorMissingError:
            return True
        except VendorForbiddenError:
            return False
        elsewhere = identifier(row.get("conversation"))
        if elsewhere is None or elsewhere == conversation:
            return False
        self._run("make_due", ids=[elsewhere])
        return not self._has(elsewhere)

    def _live(self, query: str, conversation: str) -> list[str]:
        return [number for (number,) in self._run(query, id=conversation)]

    def _live_attachments(self, emails: Collection[str], comments: Collection[str]) -> list[str]:
        rows = self._run("live_attachments", emails=list(emails), comments=list(comments))
        return [number for (number,) in rows]

    def _has(self, conversation: str) -> bool:
        [(has,)] = self._run("has_conversation", id=conversation).fetchall()
        return bool(has)

    def _count(self, conversation: str, counts: Mapping[str, Counts]) -> None:
        row = self._run("month_of", id=conversation).fetchone()
        if row is None or row[0] is None:
            return
        for asset, each in counts.items():
            self.tally.add(asset, row[0], each)
        self._told(row[0], counts)

    def _run(self, name: str, **values: Any) -> Any:
        with translated_errors():
            return self._store.connection.execute(self._sql[name], values)


def _differs(listed: _Listed, number: str, known: tuple[Any, ...] | None) -> bool:
    """Return whether what we hold of a message is not what the list shows."""
    if known is None:
        return True
    conversation, updated_at, is_deleted, is_refused = known
    changed_at = moment(listed.messages[number].get("updated_at"))
    return is_deleted or is_refused or conversation != listed.id or changed_at is None or changed_at != updated_at
