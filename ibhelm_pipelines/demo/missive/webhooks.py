"""Webhooks of Missive: rules made through the API or in the app, signed, retried, and switched off.

There is no delivery id and no order; a retry brings the same bytes. After more than fifty failures in a row the vendor
disables a rule and tells nobody.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ibhelm_pipelines.demo.vendor.deliveries import Deliveries, post
from ibhelm_pipelines.demo.vendor.exchange import json_bytes
from ibhelm_pipelines.demo.vendor.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import requests

    from ibhelm_pipelines.demo.missive.rows import Rows
    from ibhelm_pipelines.demo.missive.state import Event, Office, Row

API_TYPES = (
    "incoming_email",
    "incoming_sms_message",
    "incoming_facebook_message",
    "incoming_whatsapp_message",
    "incoming_twilio_chat_message",
    "new_comment",
)
"""What a hook can be made for through the API."""

APP_TYPES = ("outgoing_email", "label_change", "conversation_closed", "assignee_change", "team_change")
"""What only rules made in the app tell of; their names are ours, the vendor's are not documented."""

TIMEOUT_SECONDS = 15.0
MAX_FAILURES = 50
SIGNATURE_HEADER = "X-Hook-Signature"


@dataclass(kw_only=True)
class Hook:
    """One rule with a webhook.

    Attributes:
        id: of the rule.
        kind: what it tells of.
        url: where it goes.
        secret: what it is signed with; unsigned without.
        organization: None for a personal rule, which tells of the token's user's conversations only.
        filters: such as `content_contains`, `subject_contains`, `from_eq`, `is_task`, `author`, `mention`.
        enabled: False once it has failed too often.
        failures: in a row.
        bodies: what it told so far, or tried to.
    """

    id: str
    kind: str
    url: str
    secret: str = ""
    organization: str | None = None
    filters: dict[str, Any] = field(default_factory=dict)
    enabled: bool = True
    failures: int = 0
    bodies: list[bytes] = field(default_factory=list)


@dataclass(kw_only=True)
class _Delivery:
    hook: Hook
    body: bytes
    attempts: int = 0


class Webhooks:
    """All rules of the office, and the thread that delivers.

    Args:
        office: whose events are told.
        rows: writes the office's rows.
        seed: of the faults and the ids.
        retry_seconds: pauses before each further attempt; when they are used up, the event is lost.
    """

    def __init__(self, office: Office, rows: Rows, *, seed: int, retry_seconds: Sequence[float]) -> None:
        self._office, self._rows, self._retry_seconds = office, rows, tuple(retry_seconds)
        self._rng = Random(f"{seed} webhooks")
        self.faults: Callable[[], Faults] = Faults
        self.hooks: dict[str, Hook] = {}
        self._deliveries = Deliveries[_Delivery](name="missive-webhooks", attempt=self._attempt)
        office.listeners.append(self._on_event)

    def start(self) -> None:
        """Begin to deliver."""
        self._deliveries.start()

    def stop(self) -> None:
        """Deliver nothing more."""
        self._deliveries.stop()

    def settle(self, seconds: float = 60.0) -> bool:
        """Wait until nothing is under way and nothing is to be tried again; return whether that came in time."""
        return self._deliveries.settle(seconds)

    def add(self, *, kind: str, url: str, **values: Any) -> Hook:
        """Make a rule, through the API or in the app; something is posted to see whether anybody is there."""
        hook = Hook(id=self._new_id(), kind=kind, url=url, **values)
        self.hooks[hook.id] = hook
        validation = self._office.switches.webhook_validation
        if validation != "none":
            body = json_bytes({} if validation == "empty" else {"rule": _rule(hook)})
            self._deliveries.put(_Delivery(hook=hook, body=body, attempts=len(self._retry_seconds)), 0.0)
        return hook

    def _new_id(self) -> str:
        """An id that no rule has, also none that was kept in a file."""
        while (number := str(UUID(int=self._rng.getrandbits(128), version=4))) in self.hooks:
            pass
        return number

    def as_json(self) -> dict[str, Any]:
        """Return the rules in a shape that survives JSON; what was delivered is forgotten."""
        return {"hooks": [{**vars(hook), "bodies": []} for hook in list(self.hooks.values())]}

    def take(self, kept: dict[str, Any]) -> None:
        """Have the rules that `as_json` kept."""
        self.hooks = {hook["id"]: Hook(**hook) for hook in kept["hooks"]}

    def _on_event(self, event: Event) -> None:
        for hook in list(self.hooks.values()):
            if hook.kind == event.kind and hook.enabled and self._concerns(hook, event):
                body = json_bytes(self._body(hook, event))
                hook.bodies.append(body)
                self._deliveries.send(_Delivery(hook=hook, body=body), self.faults(), self._rng)

    def _concerns(self, hook: Hook, event: Event) -> bool:
        in_scope = (
            event.conversation["organization"] == hook.organization
            if hook.organization
            else self._office.me in event.conversation["users"]
        )
        return in_scope and all(_passes(name, wanted, event) for name, wanted in hook.filters.items())

    def _body(self, hook: Hook, event: Event) -> Row:
        body: Row = {"rule": _rule(hook), "conversation": self._rows.conversation(event.conversation)}
        if event.message:
            body[self._office.switches.webhook_message_key] = self._rows.message(event.message)
        if event.comment:
            body["comment"] = self._rows.comment(event.comment)
        return body

    def _attempt(self, session: requests.Session, delivery: _Delivery) -> None:
        hook = delivery.hook
        if hook.id not in self.hooks or not hook.enabled:
            return
        delivery.attempts += 1
        headers = {"Content-Type": "application/json"}
        if hook.secret:
            digest = hmac.new(hook.secret.encode(), delivery.body, hashlib.sha256).hexdigest()
            prefix = "sha256=" if self._office.switches.webhook_signature_prefix else ""
            headers[SIGNATURE_HEADER] = prefix + digest
        if 200 <= post(session, hook.url, delivery.body, headers, TIMEOUT_SECONDS) < 300:
            hook.failures = 0
            return
        hook.failures += 1
        hook.enabled = hook.failures <= MAX_FAILURES
        if delivery.attempts <= len(self._retry_seconds):
            self._deliveries.put(delivery, self._retry_seconds[delivery.attempts - 1])


def _rule(hook: Hook) -> Row:
    return {"id": hook.id, "description": "IBHelm", "type": hook.kind}


def _passes(name: str, wanted: Any, event: Event) -> bool:
    """Return whether an event passes a filter; one that nobody knows lets everything pass."""
    message, comment = event.message or {}, event.comment or {}
    content = str(comment.get("body") or message.get("preview") or "").casefold()
    text = str(wanted).casefold()
    known: dict[str, Callable[[], bool]] = {
        "content_contains": lambda: text in content,
        "content_starts_with": lambda: content.startswith(text),
        "content_ends_with": lambda: content.endswith(text),
        "subject_contains": lambda: text in str(message.get("subject") or "").casefold(),
        "from_eq": lambda: text == str((message.get("from_field") or {}).get("address", "")).casefold(),
        "is_task": lambda: bool(comment.get("task")) == bool(wanted),
        "author": lambda: comment.get("author") == wanted,
        "mention": lambda: wanted in [mention["id"] for mention in comment.get("mentions", ())],
    }
    return name not in known or known[name]()
