"""What is asked of Missive, and what its answers mean: lists page by page, or one thing.

An answer that does not hold what was asked for is an error, never an empty list (lesson 1). Lists that can be long have
no offset and no "since": the next page begins at the time of the oldest row of the one before, which comes again. Rows
of one second may fill a page by themselves: then the next page begins a second earlier (shared/facts/apis.md, 1.3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from requests.auth import AuthBase

from ibhelm_pipelines.errors import (
    ConfigurationError,
    VendorForbiddenError,
    VendorMissingError,
    VendorRequestError,
    VendorUnavailableError,
)
from ibhelm_pipelines.vendors.budget import Budget
from ibhelm_pipelines.vendors.http import Answer, VendorClient
from ibhelm_pipelines.vendors.missive.fields import identifier, seconds

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from requests import PreparedRequest

    from ibhelm_pipelines.settings import Settings
    from ibhelm_pipelines.vendors.http import Parameter
    from ibhelm_pipelines.vendors.tables import Row

WINDOW_SECONDS = 900
RESERVED_REQUESTS = 20
"""Left to what webhooks name while everything is read: so many requests go out at once, at any time."""

DIRECTORY_ROWS = 200
CONVERSATION_ROWS = (50, 25, 10)
"""The most that the vendor gives at once, and what is asked for where it refuses that: its clients report both."""

CONTENT_ROWS = 10
SHOWN_TO_GUESTS = {"id", "last_activity_at"}

BULK_IDS = 50
"""So many messages are asked for at once; half of it where that is refused: the vendor states no maximum."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Rows of one answer.

    Attributes:
        rows: those that no page before had.
        read_at: when it was asked for, by our database's clock.
        until: time at which the next page begins, None at the end of the list.
    """

    rows: list[Row]
    read_at: dt.datetime
    until: int | None = None


class Token(AuthBase):
    """Proves who we are."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Api:
    """One session with Missive; a context manager. Errors are those of `VendorClient`.

    Args:
        settings: address, token and budget.
        first: whether somebody waits for this; else some requests are left to those for whom somebody does.
    """

    def __init__(self, settings: Settings, *, first: bool = False) -> None:
        token = require_access(settings)
        self.requests = 0
        self._budget = Budget(
            settings.require_database_url(),
            vendor="missive",
            requests=settings.missive_requests_per_15_minutes,
            seconds=WINDOW_SECONDS,
            reserve=0 if first else RESERVED_REQUESTS,
        )
        self.client = VendorClient(
            vendor="missive", base_url=settings.missive_url, auth=Token(token), budget=self._budget
        )
        self._conversation_rows = iter(CONVERSATION_ROWS)
        self._rows_at_once = next(self._conversation_rows)
        self._bulk_ids = BULK_IDS

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._budget.close()

    def directory(self, path: str, parameters: Mapping[str, Parameter] | None = None) -> Iterator[Page]:
        """Yield a list of the directory to its end."""
        key, offset, seen = path.rpartition("/")[2], 0, set[str | None]()
        while True:
            asked = {**(parameters or {}), "limit": DIRECTORY_ROWS, "offset": offset}
            answer = self._get(path, asked)
            rows = _rows(answer, key, path)
            fresh = [row for row in rows if identifier(row) not in seen]
            if rows and not fresh:
                raise _not_understood(path, "anything new, and says that there is more")
            yield Page(rows=fresh, read_at=answer.read_at)
            seen |= {identifier(row) for row in fresh}
            offset += len(rows)
            if len(rows) < DIRECTORY_ROWS:
                return

    def conversations(self, mailbox: str, until: int | None = None) -> Iterator[Page]:
        """Yield the conversations of a mailbox (`all`, `trashed`, `junked`), newest first.

        Args:
            mailbox: which.
            until: last activity at which to begin, in seconds; the newest where it is None.
        """
        pages = self._pages("/conversations", "last_activity_at", {mailbox: True}, self._rows_at_once, until)
        while True:
            try:
                first = next(pages)
            except VendorRequestError:
                self._rows_at_once = next(self._conversation_rows, 0)
                if not self._rows_at_once:
                    raise
                pages = self._pages("/conversations", "last_activity_at", {mailbox: True}, self._rows_at_once, until)
            else:
                break
        for page in chain([first], pages):
            yield replace(page, rows=[self._whole(row) for row in page.rows])

    def _whole(self, row: Row) -> Row:
        """Lists show nothing of a conversation in which we are guests; whether its own address does is not said."""
        if not set(row) <= SHOWN_TO_GUESTS:
            return row
        try:
            return self.conversation(str(identifier(row)))[0]
        except (VendorMissingError, VendorForbiddenError):
            return row

    def conversation(self, number: str) -> tuple[Row, dt.datetime]:
        """Return a conversation, and when it was asked for; another one where it was merged into that.

        Raises:
            VendorMissingError: it was deleted, or is not for us any more: Missive tells them not apart.
        """
        path = f"/conversations/{number}"
        answer = self._get(path)
        rows = _rows(answer, "conversations", path)
        if len(rows) != 1:
            raise _not_understood(path, "one conversation")
        return rows[0], answer.read_at

    def messages_of(self, conversation: str) -> list[Row]:
        """Return all messages of a conversation, without their bodies."""
        return self._content(f"/conversations/{conversation}/messages", "delivered_at")

    def comments_of(self, conversation: str) -> list[Row]:
        """Return all comments of a conversation."""
        return self._content(f"/conversations/{conversation}/comments", "created_at")

    def message(self, number: str) -> tuple[Row, dt.datetime]:
        """Return a message with its body and fresh addresses of its attachments, and when it was asked for.

        Raises:
            VendorMissingError: there is none, or not for us any more.
        """
        answer = self._get(f"/messages/{number}")
        found = _messages(answer, f"/messages/{number}")
        if [identifier(row) for row in found] != [number]:
            raise _not_understood(f"/messages/{number}", "this message")
        return found[0], answer.read_at

    def messages(self, numbers: Sequence[str]) -> Iterator[Page]:
        """Yield messages with their bodies; those that the vendor leaves out are asked for one by one, and what it does
        not know then does not come."""
        left = list(numbers)
        while left:
            asked = left[: self._bulk_ids]
            try:
                page = self._bulk(asked)
            except VendorRequestError:
                if len(asked) == 1:
                    raise
                self._bulk_ids = len(asked) // 2  # so many at once are too many
                continue
            except VendorMissingError:
                yield from self._halves(asked)
            else:
                yield page
                found = {identifier(row) for row in page.rows}
                yield from self._one_by_one([each for each in asked if each not in found])
            left = left[len(asked) :]

    def _halves(self, numbers: Sequence[str]) -> Iterator[Page]:
        """One of them is gone, which may hide all others."""
        if len(numbers) > 1:
            middle = len(numbers) // 2
            yield from self.messages(numbers[:middle])
            yield from self.messages(numbers[middle:])

    def _bulk(self, numbers: Sequence[str]) -> Page:
        path = f"/messages/{','.join(numbers)}"
        answer = self._get(path)
        rows = [row for row in _messages(answer, path) if identifier(row) in numbers]
        return Page(rows=rows, read_at=answer.read_at)

    def _one_by_one(self, numbers: Sequence[str]) -> Iterator[Page]:
        for number in numbers:
            try:
                row, read_at = self.message(number)
            except VendorMissingError:
                continue
            yield Page(rows=[row], read_at=read_at)

    def _content(self, path: str, time: str) -> list[Row]:
        pages = self._pages(path, time, {}, CONTENT_ROWS, None)
        return [row for page in pages for row in page.rows]

    def _pages(
        self, path: str, time: str, parameters: Mapping[str, Parameter], limit: int, until: int | None
    ) -> Iterator[Page]:
        key, seen = path.rpartition("/")[2], set[str | None]()
        while True:
            answer = self._get(path, {**parameters, "limit": limit, "until": until})
            rows = _rows(answer, key, path)
            fresh = list({identifier(row): row for row in rows if identifier(row) not in seen}.values())
            following = _next_until(rows, time, limit, until, path)
            if following is not None and not fresh and not _are_of(rows, time, until):
                raise _not_understood(path, "anything new, and says that there is more")
            yield Page(rows=fresh, read_at=answer.read_at, until=following)
            if following is None:
                return
            seen |= {identifier(row) for row in fresh}
            until = following

    def _get(self, path: str, parameters: Mapping[str, Parameter] | None = None) -> Answer:
        self.requests += 1
        return self.client.get(path, parameters)


def require_access(settings: Settings) -> str:
    """Return the token of Missive.

    Raises:
        ConfigurationError: there is none, or it is not said what may be read (lesson 45).
    """
    if settings.missive_token is None:
        raise ConfigurationError("Missive is not connected: IBHELM_MISSIVE_TOKEN is not set.", next_step="Set it.")
    if not settings.missive_allowed:
        raise ConfigurationError(
            "It is not said whose conversations of Missive may be read, so nothing is read.",
            next_step="Set IBHELM_MISSIVE_ALLOWED, such as `team:Projekte, label:Bauvorhaben, user:info@example.de`.",
        )
    return settings.missive_token.get_secret_value()


def _next_until(rows: Sequence[Row], time: str, limit: int, until: int | None, path: str) -> int | None:
    """Return where the next page begins: at the oldest row, or a second earlier where all rows are of that second."""
    if len(rows) < limit:
        return None
    times = [when for row in rows if (when := seconds(row.get(time))) is not None]
    if not times:
        raise _not_understood(path, f"the times of a full page ({time})")
    oldest = min(times)
    return oldest if until is None or oldest < until else until - 1


def _are_of(rows: Sequence[Row], time: str, until: int | None) -> bool:
    """Return whether rows that came twice had to: they are of the second at which the page begins, or older."""
    return until is not None and all((seconds(row.get(time)) or 0) <= until for row in rows)


def _rows(answer: Answer, key: str, path: str) -> list[Row]:
    """Return the rows of an answer; an empty list may be null."""
    rows = answer.body.get(key)
    if rows is None and key in answer.body:
        rows = []
    if not isinstance(rows, list) or not all(isinstance(row, dict) and identifier(row) for row in rows):
        raise _not_understood(path, f"a list of {key}")
    return list(rows)


def _messages(answer: Answer, path: str) -> list[Row]:
    """One message comes as an object, several as a list; either is understood."""
    said: Any = answer.body.get("messages")
    rows = [said] if isinstance(said, dict) else said
    if not isinstance(rows, list) or not all(isinstance(row, dict) and identifier(row) for row in rows):
        raise _not_understood(path, "messages")
    return list(rows)


def _not_understood(path: str, wanted: str) -> VendorUnavailableError:
    return VendorUnavailableError(
        f"Missive's answer to {path} does not hold {wanted}.",
        next_step="Nothing is lost; the next run tries again. If it stays so, report it with this sentence.",
    )
