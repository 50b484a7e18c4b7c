"""Webhooks of Teamwork.com: one for each event, signed, delivered from a thread of its own, retried, and switched off.

After three events that nobody took, the vendor makes a webhook inactive and tells nobody.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from ibhelm_pipelines.demo.teamwork.webhook_bodies import flat_v2, v1_body, v2_body
from ibhelm_pipelines.demo.vendor.deliveries import Deliveries, post
from ibhelm_pipelines.demo.vendor.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import requests

    from ibhelm_pipelines.demo.teamwork.state import Event, Office

TIMEOUT_SECONDS = 5.0
MAX_DISCARDED = 3
USER_AGENT = "projects-webhooks/1.0"
_FORM = "application/x-www-form-urlencoded"


@dataclass(kw_only=True)
class Webhook:
    """One webhook: its event, where it goes, and how it went so far."""

    id: int
    event: str
    url: str
    version: str = "1"
    content_type: str = _FORM
    token: str = ""
    project_id: int | None = None
    status: str = "ACTIVE"
    discarded: int = 0
    deliveries: list[Delivery] = field(default_factory=list)


@dataclass(kw_only=True)
class Delivery:
    """One event on its way to one webhook."""

    uuid: str
    event: str
    body: bytes
    attempts: int = 0
    answers: list[int] = field(default_factory=list)


class Webhooks:
    """All webhooks of the office, and the thread that delivers.

    Args:
        office: whose events are told.
        seed: of the faults.
        retry_seconds: pauses before each further attempt; when they are used up, the event is discarded.
    """

    def __init__(self, office: Office, *, seed: int, retry_seconds: Sequence[float]) -> None:
        self._office, self._retry_seconds = office, tuple(retry_seconds)
        self._rng = Random(f"{seed} webhooks")
        self.faults: Callable[[], Faults] = Faults
        self.hooks: dict[int, Webhook] = {}
        self.enabled = True
        self._next_id = 1_233
        self._deliveries = Deliveries[tuple[Webhook, Delivery]](name="teamwork-webhooks", attempt=self._attempt)
        office.listeners.append(self._on_event)

    def start(self) -> None:
        """Begin to deliver."""
        self._deliveries.start()

    def stop(self) -> None:
        """Deliver nothing more."""
        self._deliveries.stop()

    def add(self, *, event: str, url: str, **values: Any) -> Webhook:
        """Install one."""
        self._next_id += 1
        hook = Webhook(id=self._next_id, event=event, url=url, **values)
        self.hooks[hook.id] = hook
        return hook

    def as_json(self) -> dict[str, Any]:
        """Return what is installed in a shape that survives JSON; what was delivered is forgotten."""
        hooks = [{**vars(hook), "deliveries": []} for hook in list(self.hooks.values())]
        return {"hooks": hooks, "enabled": self.enabled, "next_id": self._next_id}

    def take(self, kept: dict[str, Any]) -> None:
        """Have what `as_json` kept. Ids of deliveries are drawn anew: receivers know those of the former life."""
        self.hooks = {hook["id"]: Webhook(**hook) for hook in kept["hooks"]}
        self.enabled, self._next_id = kept["enabled"], kept["next_id"]
        self._rng = Random()

    def redeliver(self, hook: Webhook, uuid: str) -> bool:
        """Deliver something again by hand; return whether it is known."""
        known = [delivery for delivery in hook.deliveries if delivery.uuid == uuid]
        for delivery in known:
            self._deliveries.put((hook, delivery), 0.0)
        return bool(known)

    def settle(self, seconds: float = 60.0) -> bool:
        """Wait until nothing is under way and nothing is to be tried again; return whether that came in time."""
        return self._deliveries.settle(seconds)

    def _on_event(self, event: Event) -> None:
        for hook in list(self.hooks.values()):
            in_scope = hook.project_id in (None, event.project_id)
            if hook.event == event.name and in_scope and hook.status == "ACTIVE" and self.enabled:
                self._send(hook, event)

    def _send(self, hook: Webhook, event: Event) -> None:
        uuid = str(UUID(int=self._rng.getrandbits(128), version=4))
        delivery = Delivery(uuid=uuid, event=event.name, body=_body(self._office, hook, event))
        hook.deliveries.append(delivery)
        self._deliveries.send((hook, delivery), self.faults(), self._rng)

    def _attempt(self, session: requests.Session, due: tuple[Webhook, Delivery]) -> None:
        hook, delivery = due
        if hook.id not in self.hooks:
            return
        delivery.attempts += 1
        delivery.answers.append(_post(session, hook, delivery))
        if delivery.answers[-1] == 200:
            return
        if delivery.attempts <= len(self._retry_seconds):
            self._deliveries.put(due, self._retry_seconds[delivery.attempts - 1])
            return
        hook.discarded += 1
        if hook.discarded >= MAX_DISCARDED:
            hook.status = "INACTIVE"


def _post(session: requests.Session, hook: Webhook, delivery: Delivery) -> int:
    """Return the status of the answer; 0 for none."""
    headers = {
        "Content-Type": hook.content_type,
        "User-Agent": USER_AGENT,
        "X-Projects-Event": delivery.event,
        "X-Projects-Delivery": delivery.uuid,
    }
    if hook.token:
        digest = hmac.new(hook.token.encode(), delivery.body, hashlib.sha256).hexdigest()
        headers["X-Projects-Signature"] = digest
    return post(session, hook.url, delivery.body, headers, TIMEOUT_SECONDS)


def _body(office: Office, hook: Webhook, event: Event) -> bytes:
    if hook.version != "2":
        return urlencode(v1_body(event)).encode()
    if hook.content_type == _FORM:
        return urlencode(flat_v2(office, event)).encode()
    return json.dumps(v2_body(office, event), ensure_ascii=False).encode()
