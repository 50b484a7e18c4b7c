"""Mails that are broken in one way each: dates, senders, sizes, HTML, characters, and what is attached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.demo.missive import actions, wording
from ibhelm_pipelines.demo.missive.seed import LAST_SECOND
from ibhelm_pipelines.demo.missive.writer import Writer

if TYPE_CHECKING:
    from random import Random

    from ibhelm_pipelines.demo.missive.state import Office, Row

_ALIKE = ("Plan.pdf", "plan.pdf", "PLAN.pdf", "Plan.pdf")
MEGABYTE = 1_000_000
_MANY = range(10_000)
DEPTH = 2_000
_NUL = "Angebot\x00 mit Nullzeichen"
_HALF = "halbes Emoji \ud83d am Ende \udc00"

MALFORMED: dict[str, Row] = {
    "no date": {"delivered_at": None},
    "negative date": {"delivered_at": -86_400},
    "far future": {"delivered_at": 253_402_300_799_000},
    "date as text": {"delivered_at": "2026-10-30T09:00:00Z"},
    "date as float": {"delivered_at": 1_793_350_800.5},
    "no sender": {"from_field": None},
    "sender without address": {"from_field": {"name": "Ohne Adresse"}},
    "sender without name": {"from_field": {"name": None, "address": "NUR@Adresse.example"}},
    "address that is none": {"from_field": {"name": "x", "address": "kein at zeichen"}},
    "no subject": {"subject": None},
    "subject of a megabyte": {"subject": "Wärme " * (MEGABYTE // 6)},
    "broken html": {"body": "<div><table><tr><td>Angebot <b>KGR 420<p></i></div></table><img src=x onerror=alert(1)"},
    "script": {
        "body": "<script>alert(1)</script><style>p{}</style><p onclick='x()'>Ein <a href='javascript:x'>Link</a></p>"
    },
    "no body": {"body": None},
    "empty body": {"body": ""},
    "NUL": {"subject": _NUL, "body": f"<p>{_NUL}</p>", "preview": _NUL},
    "half surrogates": {"subject": _HALF, "body": f"<p>{_HALF}</p>", "preview": _HALF},
    "ten thousand recipients": {
        "to_fields": [{"name": f"Verteiler {number}", "address": f"v{number}@liste.example"} for number in _MANY]
    },
    "recipients twice": {
        "cc_fields": [{"name": "A", "address": "a@b.example"}, {"name": "a", "address": "A@B.example"}]
    },
    "deep quotes": {"body": "<blockquote type='cite'>" * DEPTH + "<p>Kern</p>" + "</blockquote>" * DEPTH},
    "no message id": {"email_message_id": None},
    "references as nothing": {"references": None, "in_reply_to": None},
}
ATTACHED = ("odd names", "names that differ by case", "no address of the file", "empty file", "no type")


def seed_malformed(office: Office, rng: Random) -> None:
    """Put one of each into the office."""
    for number, name in enumerate((*MALFORMED, *ATTACHED)):
        add_malformed(office, rng, name, at=LAST_SECOND + number)


def add_malformed(office: Office, rng: Random, name: str, *, at: int) -> Row:
    """Let a mail come that is broken in this way; in a conversation of its own."""
    writer = Writer(office, rng)
    team = next(row for row in office.live("teams") if office.me in row["active_members"])
    values = {"team": team["id"], "organization": team["organization"], "_project": 0}
    conversation = actions.new_conversation(office, users=team["active_members"], at=at, **values)
    row = writer.mail(conversation, at=at, incoming=True, subject=f"Kaputt: {name}")
    return actions.add_message(office, {**row, **MALFORMED.get(name, {}), **_attached(writer, name)})


def _attached(writer: Writer, name: str) -> dict[str, Any]:
    chosen = {
        "odd names": lambda: [writer.attachment("invoice:0", odd) for odd in wording.ODD_FILENAMES],
        "names that differ by case": lambda: [
            writer.attachment(f"minutes:{number}", each) for number, each in enumerate(_ALIKE)
        ],
        "no address of the file": lambda: [{**writer.attachment("offer:0"), "_url": False}],
        "empty file": lambda: [writer.attachment("empty:0")],
        "no type": lambda: [{**writer.attachment("photo:0"), "media_type": None, "sub_type": None, "extension": None}],
    }.get(name)
    return {"attachments": chosen()} if chosen else {}
