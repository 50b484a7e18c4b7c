"""Webhooks of Missive: rules that its API can make, one for each kind and organisation, all to one address of ours.

Missive lists no hooks, so that ours are those whose ids stand in ops.vendor_webhooks. Each is noted before it is made:
where the answer got lost, or we were killed, it may be there twice; that costs posts, and is told. The API makes no
rules for outgoing mail, labels and the like, and sets no secret: that is a person's work in the app.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import (
    ConfigurationError,
    VendorMissingError,
    VendorRequestError,
    VendorUnavailableError,
)
from ibhelm_pipelines.vendors.missive.api import Api
from ibhelm_pipelines.vendors.missive.policy import Policy
from ibhelm_pipelines.vendors.webhook_address import require_address, require_secret

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from psycopg.rows import TupleRow

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

VENDOR = "missive"
KINDS = (
    "incoming_email",
    "incoming_sms_message",
    "incoming_facebook_message",
    "incoming_whatsapp_message",
    "incoming_twilio_chat_message",
    "new_comment",
)
"""What a hook can be made for through the API."""

BY_HAND = (
    "Outgoing message: mail of ours",
    "Label change: a shared label comes or goes",
    "Conversation closed, and reopened",
    "Assignee change",
    "Team change",
)
"""What only rules made in the app tell of."""

_OF = "@"
"""Between the kind and the organisation, in the name under which a hook is noted."""


@dataclass(frozen=True, kw_only=True)
class Hook:
    """A hook as we noted it.

    Attributes:
        organization: id of the only one that it tells of; None of the token's user's own conversations.
        id: None where it was noted, and no answer told its id.
    """

    kind: str
    url: str
    organization: str | None
    id: str | None

    @classmethod
    def of(cls, url: str, event: str, number: str | None, *_rest: Any) -> Hook:
        """Read a row of ours."""
        kind, _, organization = event.partition(_OF)
        return cls(kind=kind, url=url, organization=organization or None, id=number)

    @property
    def event(self) -> str:
        return self.kind if self.organization is None else f"{self.kind}{_OF}{self.organization}"


@dataclass(frozen=True, kw_only=True)
class Installed:
    """What an install did.

    Attributes:
        doubtful: made again, for nobody knows whether an earlier one came to be; or noted at another address.
        deleted: of former addresses, or not wanted any more.
        refused: why, by name.
    """

    made: list[Hook] = field(default_factory=list)
    kept: list[Hook] = field(default_factory=list)
    doubtful: list[Hook] = field(default_factory=list)
    deleted: list[Hook] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What was removed; of doubtful ones we never learned the id."""

    deleted: list[Hook]
    doubtful: list[Hook]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What we know of our hooks, Missive says nothing of them.

    Attributes:
        organizations: names by id.
        posts: what posts said happened: how many in the last day, and when the last one came.
    """

    hooks: list[Hook]
    organizations: dict[str, str]
    posts: dict[str, tuple[int, dt.datetime]]


def install(settings: Settings, url: str) -> Installed:
    """Make a hook of each kind that the API has, for each organisation of which something may be read; again any time.

    Raises:
        ConfigurationError: Missive is not connected, or was never read; no secret is set, or the address is of no use.
        IbhelmError: whatever else a request may end with; what was done stays, and is known as ours.
    """
    require_secret(VENDOR, settings.missive_webhook_secret)
    require_address(VENDOR, url)
    with _opened(settings) as desk:
        return desk.install(url)


def remove(settings: Settings) -> Removed:
    """Delete all hooks whose ids we know. Raises what `install` raises."""
    with _opened(settings) as desk:
        return desk.remove()


def list_webhooks(settings: Settings) -> Listing:
    """Return what we know of our hooks; Missive is not asked."""
    with _connected(settings) as connection:
        sql = load_queries("vendor_webhooks")
        posts = connection.execute(sql["last_deliveries"], {"vendor": VENDOR}).fetchall()
        return Listing(
            hooks=_known(connection),
            organizations=dict(connection.execute(sql["organization_names"]).fetchall()),
            posts={event: (count, last) for event, count, last in posts},
        )


@contextmanager
def _opened(settings: Settings) -> Iterator[_Desk]:
    with Api(settings, first=True) as api, _connected(settings) as connection:
        yield _Desk(settings, api, connection)


@contextmanager
def _connected(settings: Settings) -> Iterator[Connection]:
    url = settings.require_database_url()
    with connect(url, application="webhooks of Missive", autocommit=True) as connection, translated_errors():
        yield connection


def _known(connection: Connection) -> list[Hook]:
    rows = connection.execute(load_queries("vendor_webhooks")["known"], {"vendor": VENDOR}).fetchall()
    return sorted((Hook.of(*row) for row in rows), key=lambda hook: (hook.url, hook.event))


class _Desk:
    """Missive on one side, ops.vendor_webhooks on the other."""

    def __init__(self, settings: Settings, api: Api, connection: Connection) -> None:
        self._settings, self._api, self._connection = settings, api, connection
        self._sql = load_queries("vendor_webhooks")

    def install(self, url: str) -> Installed:
        before = {(hook.url, hook.event): hook for hook in _known(self._connection)}
        done = Installed()
        wanted = [
            Hook(kind=kind, url=url, organization=organization, id=None)
            for organization in self._organizations()
            for kind in KINDS
        ]
        for hook in wanted:
            noted = before.pop((hook.url, hook.event), None)
            if noted is not None and noted.id is not None:
                done.kept.append(noted)
                continue
            self._make(hook, done)
            if noted is not None:
                done.doubtful.append(noted)
        gone = self._delete(list(before.values()))
        done.deleted.extend(gone.deleted)
        done.doubtful.extend(gone.doubtful)
        return done

    def remove(self) -> Removed:
        return self._delete(_known(self._connection))

    def _make(self, hook: Hook, done: Installed) -> None:
        """Make one. What Missive refuses is told, and not noted any more."""
        self._ask("want", url=hook.url, events=[hook.event])
        wish = {"type": hook.kind, "url": hook.url}
        if hook.organization is not None:
            wish["organization"] = hook.organization
        try:
            answer = self._api.client.send("POST", "/hooks", {"hooks": wish})
        except VendorRequestError as error:
            self._ask("forget_one", url=hook.url, event=hook.event)
            done.refused[hook.event] = error.problem
            return
        self._ask("made", url=hook.url, event=hook.event, id=_id(answer.body))
        done.made.append(hook)

    def _delete(self, hooks: Sequence[Hook]) -> Removed:
        for hook in hooks:
            if hook.id is not None:
                self._delete_one(hook.id)
            self._ask("forget_one", url=hook.url, event=hook.event)
        return Removed(
            deleted=[hook for hook in hooks if hook.id is not None],
            doubtful=[hook for hook in hooks if hook.id is None],
        )

    def _delete_one(self, number: str) -> None:
        try:
            self._api.client.send("DELETE", f"/hooks/{number}")
        except VendorMissingError:
            return  # somebody else was faster, or our own first attempt

    def _organizations(self) -> list[str | None]:
        """Return the organisations of what may be read, and None where a personal mailbox may be.

        Raises:
            ConfigurationError: nobody knows them yet.
        """
        if not self._ask("is_readable")[0][0]:
            raise ConfigurationError(
                "Missive's teams and labels were never read, so nobody knows which organisations may be told of.",
                next_step="Run `ibhelm sync missive` first.",
            )
        policy = Policy.of(self._settings, self._connection)
        rows = self._ask("missive_organizations", teams=list(policy.teams), labels=list(policy.labels))
        personal: list[str | None] = [None] if policy.users else []
        return [*(number for number, _ in rows), *personal]

    def _ask(self, name: str, **values: object) -> list[TupleRow]:
        cursor = self._connection.execute(self._sql[name], {"vendor": VENDOR, **values})
        return cursor.fetchall() if cursor.description else []


def _id(body: dict[str, Any]) -> str:
    """Return the id in the answer to a hook that was made.

    Raises:
        VendorUnavailableError: there is none, so the hook may be there and nobody can delete it through the API.
    """
    said: Any = body.get("hooks")
    hook = said[0] if isinstance(said, list) and said else said
    if not isinstance(hook, dict) or not hook.get("id"):
        raise VendorUnavailableError(
            "Missive's answer to POST /hooks does not name the hook that was made.",
            next_step="See the rules in Missive: one to our address may be there. Then install again.",
        )
    return str(hook["id"])
