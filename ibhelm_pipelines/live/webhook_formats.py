"""What the vendors' webhooks look like (shared/facts/apis.md, sections 1.7 and 2.7): signature, delivery, what changed.

Pure functions over bytes from strangers. A body is believed in one thing only, the id of what changed; the rest is read
again from the vendor. Whatever is signed but not understood becomes kind `unknown`: kept, and nobody waits for it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Vendor = Literal["teamwork", "missive"]

UNKNOWN = "unknown"
"""Kind of a delivery whose object is not understood: a validation post, or a shape that we have never seen."""

MAX_FORM_FIELDS = 1000

# What may go into a row: anything else is a stranger's idea of a name or an id, and is not taken.
_EVENT = re.compile(r"[A-Za-z0-9_.\-]{1,100}")
_DELIVERY = re.compile(r"[!-~]{1,200}")
_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
_CONVERSATION = re.compile(r"[A-Za-z0-9\-]{1,100}")

_TEAMWORK_NAMES = {
    "tasklist": ("tasklist", "todolist"),
    "time": ("time", "timelog", "timeentry"),
    "user": ("user", "person"),
}
"""Names under which a v2 body may carry the object of an event; any other kind stands under its own name."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One signed post.

    Attributes:
        delivery: the vendor's own id of it, else the SHA-256 of the body.
        has_own_id: whether the vendor named it; two posts with the same bytes are the same delivery only for a while.
        event: what the vendor says happened; empty when it does not say.
        kind: `task`, `project`, `conversation` ..., or `unknown`.
        object_id: the vendor's id of what changed; of an unknown kind, the delivery.
    """

    vendor: Vendor
    delivery: str
    has_own_id: bool
    event: str
    kind: str
    object_id: str
    body: bytes

    @property
    def understood(self) -> bool:
        return self.kind != UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Format:
    """How a vendor signs and writes its posts.

    Attributes:
        tries_unsigned: whether it sees with an unsigned post that names nothing whether somebody is there, before a
            person can set the secret.
    """

    vendor: Vendor
    signature_header: str
    read: Callable[[Mapping[str, str], bytes], Delivery]
    tries_unsigned: bool = False

    def is_trial(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether an unsigned post is such a one: an empty object, or a rule alone."""
        return self.tries_unsigned and not self.read(headers, body).understood


def is_signed(body: bytes, signature: str, secret: str) -> bool:
    """Return whether the signature is the HMAC-SHA256 of the body, in hex, with or without `sha256=` before it."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    # As bytes, because compare_digest refuses strings that are not ASCII; headers are Latin-1.
    return hmac.compare_digest(signature.strip().removeprefix("sha256=").lower().encode(), expected.encode())


def read_teamwork(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Understand a post of Teamwork: JSON (v2) or a form (v1, v2); the event stands in a header, in v1 in the body."""
    values = _flat(body)
    event = _matching(_EVENT, headers.get("x-projects-event") or values.get("event"))
    kind = event.partition(".")[0].lower()
    names = _TEAMWORK_NAMES.get(kind, (kind,))
    places = [f"{name}.{field}" for name in names for field in ("id", "objectid")] + ["objectid", "id"]
    ids = (_matching(_NUMBER, values.get(place)) for place in places)
    named = _matching(_DELIVERY, headers.get("x-projects-delivery"))
    return _delivery("teamwork", body, named=named, event=event, kind=kind, object_id=next(filter(None, ids), ""))


def read_missive(_headers: Mapping[str, str], body: bytes) -> Delivery:
    """Understand a post of Missive: JSON with the rule that fired and the conversation that it fired for."""
    values = _flat(body)
    event = _matching(_EVENT, values.get("rule.type"))
    conversation = _matching(_CONVERSATION, values.get("conversation.id"))
    return _delivery("missive", body, event=event, kind="conversation", object_id=conversation)


FORMATS = (
    Format(vendor="teamwork", signature_header="x-projects-signature", read=read_teamwork),
    Format(vendor="missive", signature_header="x-hook-signature", read=read_missive, tries_unsigned=True),
)


def _delivery(vendor: Vendor, body: bytes, *, named: str = "", event: str, kind: str, object_id: str) -> Delivery:
    delivery = named or hashlib.sha256(body).hexdigest()
    understood = bool(kind and object_id)
    return Delivery(
        vendor=vendor,
        delivery=delivery,
        has_own_id=bool(named),
        event=event,
        kind=kind if understood else UNKNOWN,
        object_id=object_id if understood else delivery,
        body=body,
    )


def _flat(body: bytes) -> dict[str, str]:
    """Return the values of a body by name in small letters: `task.id` for {"task": {"id": 5}} and for Task.ID=5."""
    text = body.strip()
    return _flat_json(text) if text.startswith(b"{") else _flat_form(text)


def _flat_json(text: bytes) -> dict[str, str]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    values: dict[str, str] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            values.update({f"{name}.{field}".lower(): _plain(each) for field, each in value.items()})
        else:
            values[name.lower()] = _plain(value)
    return values


def _plain(value: Any) -> str:
    """Return strings and whole numbers as text; anything else is no id and no name."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**19 else ""
    return value if isinstance(value, str) else ""


def _flat_form(text: bytes) -> dict[str, str]:
    try:
        fields = parse_qsl(text.decode("utf-8"), max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        return {}
    return {name.lower(): value for name, value in fields}


def _matching(pattern: re.Pattern[str], value: str | None) -> str:
    """Return a value that looks as it should, whole, else nothing."""
    return value if value is not None and pattern.fullmatch(value) else ""
