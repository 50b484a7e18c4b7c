"""Webhooks of Teamwork: one for each event that changes what we mirror, all to one address of ours.

Ours are those that go to an address on record, which is written before the first of them is made: a killed install ends
right when it runs again. What goes anywhere else is never touched. Teamwork switches webhooks off without a word, so
`check_webhooks` looks again and again; what it finds stands in ops.vendor_webhooks, where the alerts see it.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from ibhelm_pipelines.db.connect import Connection, connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import (
    VendorForbiddenError,
    VendorMissingError,
    VendorRequestError,
    VendorUnavailableError,
)
from ibhelm_pipelines.vendors.teamwork.api import Api
from ibhelm_pipelines.vendors.webhook_address import require_address, require_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from psycopg.rows import TupleRow

    from ibhelm_pipelines.settings import Settings
    from ibhelm_pipelines.vendors.http import VendorClient

VENDOR = "teamwork"
_CHANGES = ("CREATED", "UPDATED", "DELETED")
_STATES = ("COMPLETED", "REOPENED")
_TAGS = ("TAGGED", "UNTAGGED")
MIRRORED: dict[str, tuple[str, ...]] = {
    "TASK": (*_CHANGES, *_STATES, *_TAGS, "MOVED"),
    "TASKLIST": (*_CHANGES, *_STATES),
    "PROJECT": (*_CHANGES, *_STATES, *_TAGS, "ARCHIVED", "COPIED"),
    "MILESTONE": (*_CHANGES, *_STATES),
    "COMMENT": _CHANGES,
    "TIME": _CHANGES,
    "USER": _CHANGES,
    "COMPANY": _CHANGES,
    "TAG": (),
}
"""Events by what they are about, where Teamwork does not list them itself. Of tags nobody knows whether it has any."""

_NO_NEWS = frozenset({"TASK.REMINDER"})
_EVENT = re.compile(r"([A-Z]+)\.[A-Z]+")

CHECK_PAUSE = dt.timedelta(hours=1)
_PAGE_ROWS = 250
_ACTIVE = "ACTIVE"


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """One webhook as Teamwork lists it.

    Attributes:
        project: id of the only project that it tells of; None where it tells of all.
    """

    id: str
    event: str
    url: str
    status: str
    project: str | None = None

    @property
    def is_active(self) -> bool:
        return self.status.upper() == _ACTIVE


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What Teamwork has, and what we know of it.

    Attributes:
        urls: addresses at which we wanted webhooks; none where none was ever installed.
        missing: events that should have a webhook of ours and have no active one.
        last_post: when our receiver stored one for the last time.
    """

    webhooks: list[Webhook]
    urls: list[str]
    missing: list[str]
    last_post: dt.datetime | None

    def is_ours(self, webhook: Webhook) -> bool:
        return _same(webhook.url, self.urls)


@dataclass(frozen=True, kw_only=True)
class Installed:
    """What an install did, in events; `refused` says why, `missing` are those that are not active in the end."""

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    deleted: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Check:
    """What a check saw.

    Attributes:
        looked: whether Teamwork was asked: not where nothing is installed, and not again within an hour.
        resumed: events whose webhook Teamwork had switched off.
        missing: events without an active webhook now.
        problem: why nobody knows how they stand; empty when that is known.
    """

    looked: bool = False
    active: int = 0
    resumed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    problem: str = ""


def install(settings: Settings, url: str) -> Installed:
    """Make each event that we mirror have one active webhook to this address; it may be run again at any time.

    Raises:
        ConfigurationError: Teamwork is not connected, no secret is set, or the address is of no use.
        VendorForbiddenError: the token's user is no administrator there.
        IbhelmError: whatever else a request may end with; what was done stays, and is known as ours.
    """
    secret = require_secret(VENDOR, settings.teamwork_webhook_secret)
    require_address(VENDOR, url)
    with _opened(settings) as desk:
        return desk.install(url, secret)


def remove(settings: Settings) -> list[str]:
    """Delete all webhooks of ours; return their events. Raises what `install` raises."""
    with _opened(settings) as desk:
        return desk.remove()


def list_webhooks(settings: Settings) -> Listing:
    """Return all webhooks that Teamwork has, and note how ours stand. Raises what `install` raises."""
    with _opened(settings) as desk:
        return desk.listing()


def check_webhooks(settings: Settings) -> Check:
    """See at most once an hour whether ours are still active, and resume what was switched off.

    What it cannot see for lack of a right is noted, too: the question `teamwork_webhook_switched_off` fails then.

    Raises:
        VendorUnavailableError: Teamwork does not answer now.
        VendorRefusedError: it refuses our token.
    """
    if settings.teamwork_token is None or not _is_due(settings):
        return Check()
    with _opened(settings) as desk:
        return desk.check()


@contextmanager
def _opened(settings: Settings) -> Iterator[_Desk]:
    url = settings.require_database_url()
    with Api(settings) as api, connect(url, application="webhooks of Teamwork", autocommit=True) as connection:
        try:
            yield _Desk(api.client, connection)
        except VendorForbiddenError as error:
            raise VendorForbiddenError(
                f"Only an administrator of Teamwork may see and make webhooks, and our token's user is none. {error}",
                next_step="Make it one, or run this with IBHELM_TEAMWORK_TOKEN set to the key of one who is.",
            ) from error


def _is_due(settings: Settings) -> bool:
    with (
        connect(settings.require_database_url(), application="webhooks of Teamwork", autocommit=True) as connection,
        translated_errors(),
    ):
        query = load_queries("vendor_webhooks")["looked_lately"]
        row = connection.execute(query, {"vendor": VENDOR, "pause": CHECK_PAUSE}).fetchone()
    return row is not None and row[0] is False  # nothing where none is installed


class _Desk:
    """Teamwork on one side, ops.vendor_webhooks on the other."""

    def __init__(self, client: VendorClient, connection: Connection) -> None:
        self._client, self._connection = client, connection
        self._sql = load_queries("vendor_webhooks")

    def install(self, url: str, secret: str) -> Installed:
        self._client.send("PUT", "/webhooks/enable.json")
        events, are_offered = self._events()
        self._ask("want", url=url, events=events)
        ours = self._ours(self._webhooks())
        chosen = {event: best for event in events if (best := _best(event, url, ours)) is not None}
        for event, webhook in chosen.items():
            self._correct(webhook, _wanted(event, url, secret))
        missing = [event for event in events if event not in chosen]
        refused = self._make(_wanted(event, url, secret) for event in missing)
        kept = {webhook.id for webhook in chosen.values()}
        surplus = [webhook for webhook in ours if webhook.id not in kept]
        self._delete(surplus)
        wanted = events if are_offered else [event for event in events if event not in refused]
        self._ask("forget_other", url=url, events=wanted)
        self._note(self._webhooks())
        return Installed(
            made=[event for event in missing if event not in refused],
            kept=list(chosen),
            deleted=len(surplus),
            refused=refused,
            missing=self._missing(),
        )

    def remove(self) -> list[str]:
        ours = self._ours(self._webhooks())
        self._delete(ours)
        self._ask("forget_all")
        return sorted(webhook.event for webhook in ours)

    def listing(self) -> Listing:
        webhooks = self._webhooks()
        self._note(webhooks)
        last_post = self._ask("last_delivery")[0][0]
        return Listing(webhooks=webhooks, urls=self._urls(), missing=self._missing(), last_post=last_post)

    def check(self) -> Check:
        try:
            webhooks = self._webhooks()
            off = [webhook for webhook in self._ours(webhooks) if not webhook.is_active]
            self._resume(off)
        except (VendorForbiddenError, VendorRequestError, VendorMissingError) as error:
            self._ask("unknown", reason=error.problem)
            return Check(looked=True, missing=self._missing(), problem=str(error))
        self._note(self._webhooks() if off else webhooks)
        missing = self._missing()
        active = len(self._ask("known")) - len(missing)
        return Check(looked=True, active=active, resumed=sorted(each.event for each in off), missing=missing)

    def _events(self) -> tuple[list[str], bool]:
        """Return the events that we mirror, and whether Teamwork itself said that it has them."""
        ours = [f"{kind}.{verb}" for kind, verbs in MIRRORED.items() for verb in verbs]
        try:
            answer = self._client.get("/webhooks/events.json")
        except VendorMissingError:
            return ours, False  # undocumented in detail, and a convenience
        offered = {event for event in _texts(answer.body) if (kind := _EVENT.fullmatch(event)) and kind[1] in MIRRORED}
        return (sorted(offered - _NO_NEWS), True) if offered else (ours, False)

    def _webhooks(self) -> list[Webhook]:
        """Return all webhooks of the account, page by page, each once."""
        found: dict[str, Webhook] = {}
        number, pages = 1, 1
        while number <= pages:
            answer = self._client.get("/webhooks.json", {"page": number, "pageSize": _PAGE_ROWS})
            page = {webhook.id: webhook for webhook in _read(answer.body)}
            said = answer.headers.get("X-Pages", "")
            pages = int(said) if said.isdigit() else number + (len(page) >= _PAGE_ROWS)
            if page.keys() <= found.keys():
                break  # it knows no pages, and says the same again
            found |= page
            number += 1
        return list(found.values())

    def _correct(self, webhook: Webhook, wanted: dict[str, str]) -> None:
        """Say again how it is to be: no answer tells which secret it signs with."""
        self._client.send("PUT", f"/webhooks/{webhook.id}.json", {"webhook": wanted})
        if not webhook.is_active:
            self._resume([webhook])

    def _make(self, wanted: Iterable[dict[str, str]]) -> dict[str, str]:
        """Make webhooks; return the events of those that Teamwork refuses, and why."""
        refused: dict[str, str] = {}
        for each in wanted:
            try:
                self._client.send("POST", "/webhooks.json", {"webhook": each})
            except VendorRequestError as error:
                refused[each["event"]] = error.problem
        return refused

    def _resume(self, webhooks: Iterable[Webhook]) -> None:
        """Resume what was switched off; that it was is noted first."""
        for webhook in webhooks:
            structlog.get_logger().warning("webhook_switched_off", vendor=VENDOR, webhook_event=webhook.event)
            self._ask("found_off", ids=[webhook.id])
            self._client.send("PUT", f"/webhooks/{webhook.id}/resume.json")

    def _delete(self, webhooks: Iterable[Webhook]) -> None:
        for webhook in webhooks:
            try:
                self._client.send("DELETE", f"/webhooks/{webhook.id}.json")
            except VendorMissingError:
                continue  # somebody else was faster, or our own first attempt

    def _ours(self, webhooks: Iterable[Webhook]) -> list[Webhook]:
        urls = self._urls()
        return [webhook for webhook in webhooks if _same(webhook.url, urls)]

    def _note(self, webhooks: Sequence[Webhook]) -> None:
        """Write down how each that we want stands."""
        seen = [
            {
                "url": url,
                "event": event,
                "webhook_id": best.id,
                "status": best.status,
                "is_active": best.is_active,
            }
            for url, event, *_ in self._ask("known")
            if (best := _best(event, url, [each for each in webhooks if _same(each.url, [url])])) is not None
        ]
        self._ask("found", seen=json.dumps(seen))

    def _urls(self) -> list[str]:
        return sorted({url for url, *_ in self._ask("known")})

    def _missing(self) -> list[str]:
        return sorted(event for _, event, _, is_active in self._ask("known") if not is_active)

    def _ask(self, name: str, **values: object) -> list[TupleRow]:
        with translated_errors():
            cursor = self._connection.execute(self._sql[name], {"vendor": VENDOR, **values})
            return cursor.fetchall() if cursor.description else []


def _wanted(event: str, url: str, secret: str) -> dict[str, str]:
    return {"event": event, "url": url, "version": "2", "contentType": "application/json", "token": secret}


def _best(event: str, url: str, webhooks: Iterable[Webhook]) -> Webhook | None:
    """Return the one that stays of those for an event: at this address rather than a former one, active, the oldest."""
    fitting = [webhook for webhook in webhooks if webhook.event == event and webhook.project is None]
    return min(fitting, key=lambda w: (not _same(w.url, [url]), not w.is_active, len(w.id), w.id), default=None)


def _read(body: dict[str, Any]) -> list[Webhook]:
    rows = body.get("webhooks")
    if rows is None and str(body.get("STATUS", "")).upper() == "OK":
        rows = []
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("id") for row in rows):
        raise VendorUnavailableError(
            "Teamwork's answer to /webhooks.json does not hold a list of webhooks.",
            next_step="Try again; nothing was concluded from it.",
        )
    return [
        Webhook(
            id=str(row["id"]),
            event=str(row.get("event", "")).upper(),
            url=str(row.get("url", "")),
            status=str(row.get("status", "unknown")),
            project=str(row["projectId"]) if str(row.get("projectId") or "0") != "0" else None,
        )
        for row in rows
    ]


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in an answer: the shape of the list of events is not known."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield str(name)
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def _same(url: str, others: Iterable[str]) -> bool:
    """Return whether an address is one of some, as a vendor may write it: host in small letters, a slash at its end."""
    return _plain(url) in {_plain(other) for other in others}


def _plain(url: str) -> tuple[str, ...]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower(), parts.path.rstrip("/"), parts.query
