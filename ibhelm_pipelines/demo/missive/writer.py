"""Writes the mails, messages and comments of the made-up office, from a seed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.demo.missive import wording
from ibhelm_pipelines.demo.missive.bodies import PROGRAMS, Letter, Quoted
from ibhelm_pipelines.demo.missive.contents import media_type
from ibhelm_pipelines.demo.missive.state import Office, Row, time_of
from ibhelm_pipelines.demo.vocabulary import (
    COST_GROUPS,
    FIRM_CONTACTS,
    FIRMS,
    OFFICE_ADDRESS,
    OFFICE_MAIL_DOMAIN,
    OFFICE_NAME,
    OFFICE_SUBTITLE,
)

if TYPE_CHECKING:
    from random import Random

OFFICE_PHONE = "+49305550"
MAX_QUOTED = 20_000
"""Characters of a quote that a mail program carries on; people cut the rest."""

_PREVIEW = 140
_FOLDED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "&": "", " ": "-", ".": ""})
_DOCUMENTS = ("offer", "invoice", "minutes", "test_report", "supplement", "plan", "dxf", "word", "excel", "slides")
_EXTRAS = {
    "signature": 0.04,
    "calendar": 0.04,
    "card": 0.03,
    "tnef": 0.02,
    "empty": 0.01,
    "photo": 0.06,
    "screenshot": 0.03,
}


@dataclass(frozen=True, kw_only=True)
class Correspondent:
    """Somebody who writes mails: a user of the office, or a firm outside; `number` chooses logo and mail program."""

    name: str
    address: str
    phone: str
    lines: tuple[str, ...]
    number: int


def firm(number: int) -> Correspondent:
    """Return somebody of a firm."""
    name, street, town = FIRMS[number]
    domain = re.sub(r"[^a-z-]+", "", name.split(" GmbH")[0].casefold().translate(_FOLDED)) + ".example"
    contact = FIRM_CONTACTS[number]
    return Correspondent(
        name=contact,
        address=f"{contact.split()[1].casefold().translate(_FOLDED)}@{domain}",
        phone=f"+4930555{number:04d}",
        lines=(contact, name, street, town, f"Tel. 030 / 555 {number:04d}", f"www.{domain}"),
        number=number + 1,
    )


def colleague(user: Row) -> Correspondent:
    """Return a user as a writer of mails."""
    lines = (
        user["name"],
        OFFICE_NAME,
        OFFICE_SUBTITLE,
        *OFFICE_ADDRESS,
        "Tel. 030 / 555 0",
        "HRB 12345 B, AG Charlottenburg",
    )
    return Correspondent(name=user["name"], address=user["email"], phone=OFFICE_PHONE, lines=lines, number=0)


def short_address(name: str) -> str:
    """Return the address of somebody of the office."""
    first, _, last = name.casefold().translate(_FOLDED).rpartition("-")
    return f"{first[:1] + '.' if first else ''}{last}@{OFFICE_MAIL_DOMAIN}"


class Writer:
    """Writes into the office, but leaves it to others to put what is written there."""

    def __init__(self, office: Office, rng: Random) -> None:
        self.office, self.rng = office, rng

    def facts(self, project: int | None) -> dict[str, Any]:
        """Return the names and numbers of a project that templates ask for."""
        projects = self.office.contents.projects
        model = projects[self.rng.randrange(len(projects)) if project is None else project]
        names = [row["name"] for row in self.office.live("users")]
        return {
            "project": model.title,
            "number": model.number,
            "site": model.site.name,
            "initials": model.lead.initials,
            "trade": self.rng.choice(wording.TRADES),
            "letter": self.rng.choice("ABCDEF"),
            "count": self.rng.randrange(1, 60),
            "group": self.rng.choice(COST_GROUPS).number,
            "name": self.rng.choice(names),
        }

    def filled(self, template: str, project: int | None) -> str:
        """Return a template with the names and numbers of a project."""
        return template.format(**self.facts(project))

    def subject(self, template: str, conversation: Row) -> str:
        """Return a subject for a conversation, and note the cost group that it is about."""
        facts = self.facts(conversation["_project"])
        if "{trade}" in template:
            conversation["_groups"] = [wording.TRADE_GROUPS[facts["trade"]]]
        elif "{group}" in template:
            conversation["_groups"] = [facts["group"]]
        return template.format(**facts)

    def user(self) -> Row:
        """Return some user."""
        return self.rng.choice(list(self.office.live("users")))

    def attachment(self, content: str, filename: str | None = None) -> Row:
        """Return an attachment with an id of its own; the same content may have others."""
        name = self.office.contents.filename(content) if filename is None else filename
        media, sub = media_type(name)
        return {
            "id": self.office.new_id(),
            "filename": name,
            "extension": name.rpartition(".")[2].lower() if "." in name else "",
            "media_type": media,
            "sub_type": sub,
            "_content": content,
            "_url": True,
        }

    def documents(self, project: int | None) -> list[Row]:
        """Return what is attached to a mail; half of the documents lie on the NAS, if there is one."""
        rng, contents = self.rng, self.office.contents
        chosen = rng.randrange(len(contents.projects)) if project is None else project
        mailed: list[str] = []
        for _ in range(rng.choices((0, 1, 2, 3), weights=(60, 25, 10, 5))[0]):
            on_nas = contents.nas_of_project(chosen)
            is_nas = on_nas and rng.random() < 0.5
            mailed.append(rng.choice(on_nas) if is_nas else contents.of_project(chosen, rng.choice(_DOCUMENTS)))
        for kind, chance in _EXTRAS.items():
            if rng.random() < chance:
                mailed.append(contents.of_project(chosen, kind))
        return [self.attachment(content) for content in mailed]

    def pictures(self, sender: Correspondent) -> list[Row]:
        """Return what stands in a signature: logos, sometimes a banner or a picture of one pixel."""
        rng = self.rng
        kinds = [f"logo:{sender.number}"] if rng.random() < 0.6 else []
        kinds += ["banner:0"] if rng.random() < 0.05 else []
        kinds += ["pixel:0"] if rng.random() < 0.05 else []
        return [self.attachment(kind) for kind in kinds]

    def mail(self, conversation: Row, *, at: int, incoming: bool, subject: str) -> Row:
        """A mail that answers the newest one of the conversation, if there is one."""
        rng = self.rng
        before = next(iter(self.office.inside("messages", conversation["id"])), None)
        outside, inside = firm(rng.randrange(len(FIRMS))), colleague(self.user())
        if before and before["_outside"] is not None and rng.random() < 0.8:
            outside = firm(before["_outside"])
        sender, receiver = (outside, inside) if incoming else (inside, outside)
        inline, attached = self.pictures(sender), self.documents(conversation["_project"])
        letter = self._letter(conversation, sender, [each["id"] for each in inline], before)
        body = PROGRAMS[sender.number % len(PROGRAMS)](letter)
        values = {
            "subject": f"{'AW' if incoming else 'Re'}: {subject}" if before else subject,
            "preview": " ".join(letter.paragraphs)[:_PREVIEW],
            "body": body,
            "attachments": [*inline, *attached],
            **self._fields(sender, receiver),
            **_threading(before),
        }
        return {**self._message(conversation, at, incoming=incoming), **values, "_outside": outside.number - 1}

    def _message(self, conversation: Row, at: int, *, incoming: bool) -> Row:
        return {
            "id": self.office.new_id(),
            "conversation": conversation["id"],
            "draft": False,
            "type": "email",
            "delivered_at": at,
            "created_at": at + 2,
            "updated_at": at + 2,
            "email_message_id": f"<{self.rng.getrandbits(96):x}@mail.example>",
            "in_reply_to": [],
            "references": [],
            "reply_to_fields": [],
            "bcc_fields": [],
            "_incoming": incoming,
            "_outside": None,
            "_trashed": False,
        }

    def _fields(self, sender: Correspondent, receiver: Correspondent) -> Row:
        rng = self.rng
        copies = [
            firm(number) for number in rng.sample(range(len(FIRMS)), rng.choices((0, 1, 2), weights=(7, 2, 1))[0])
        ]
        fields: Row = {
            "from_field": _field(sender),
            "to_fields": [_field(receiver)],
            "cc_fields": [
                {"name": None if rng.random() < 0.3 else each.name, "address": each.address} for each in copies
            ],
        }
        if sender.number == 0 and rng.random() < 0.1:
            fields["bcc_fields"] = [{"name": None, "address": f"Archiv@{OFFICE_MAIL_DOMAIN}"}]
        if sender.number and rng.random() < 0.1:
            fields["reply_to_fields"] = [{"name": sender.name, "address": sender.address.upper()}]
        return fields

    def _letter(self, conversation: Row, sender: Correspondent, inline: list[str], before: Row | None) -> Letter:
        rng, project = self.rng, conversation["_project"]
        sentences = rng.sample(wording.SENTENCES, rng.randrange(1, 5))
        paragraphs = [rng.choice(wording.GREETINGS), "", *(self.filled(each, project) for each in sentences), ""]
        return Letter(
            paragraphs=[*paragraphs, rng.choice(wording.CLOSINGS)],
            signature=list(sender.lines),
            inline=inline,
            disclaimer=sender.number % 3 == 1,
            quoted=_quoted(before) if before and rng.random() < 0.85 else None,
        )

    def short_message(self, conversation: Row, *, at: int, incoming: bool, kind: str) -> Row:
        """A message of a telephone: a number or a user name instead of an address, no subject."""
        outside = firm(self.rng.randrange(len(FIRMS)))
        text = self.rng.choice(wording.SMS)
        who = {"name": outside.name, "phone_number": outside.phone}
        if kind == "messenger":
            who = {"name": outside.name, "id": f"1000{outside.number}", "username": outside.address.split("@")[0]}
        we = (
            {"name": OFFICE_NAME, "phone_number": OFFICE_PHONE}
            if "phone_number" in who
            else {"id": "1", "username": "helm"}
        )
        sender, receiver = (who, we) if incoming else (we, who)
        return {
            **self._message(conversation, at, incoming=incoming),
            "type": kind,
            "subject": None,
            "preview": text,
            "body": text,
            "email_message_id": None,
            "from_field": sender,
            "to_fields": [receiver],
            "cc_fields": [],
            "attachments": [self.attachment("photo:0")] if self.rng.random() < 0.3 else [],
        }

    def comment(self, conversation: Row, *, at: int) -> Row:
        """A comment; `@name` becomes a mention."""
        rng, author, other = self.rng, self.user(), self.user()
        body = self.filled(rng.choice(wording.COMMENTS).replace("{name}", other["name"]), conversation["_project"])
        index = body.find(f"@{other['name']}")
        mention = {"id": other["id"], "index": index, "length": len(other["name"]) + 1}
        attachment = self.attachment("photo:1") if rng.random() < 0.1 else None
        is_silent = attachment is not None and rng.random() < 0.7
        return {
            "conversation": conversation["id"],
            "body": None if is_silent else body,
            "created_at": at,
            "mentions": [] if index < 0 or is_silent else [mention],
            "author": author["id"],
            "attachment": attachment,
            "task": self.task(at) if rng.random() < 0.25 else None,
        }

    def task(self, at: int) -> Row:
        """A task that stands in a comment."""
        rng = self.rng
        state = rng.choice(("todo", "in_progress", "closed"))
        return {
            "id": self.office.new_id(),
            "description": self.filled(rng.choice(wording.TASKS), None),
            "state": state,
            "due_at": at + 86_400 * rng.randrange(1, 20) if rng.random() < 0.5 else None,
            "started_at": None if state == "todo" else at + 60,
            "closed_at": at + 600 if state == "closed" else None,
            "assignees": [self.user()["id"]] if rng.random() < 0.7 else [],
            "team": None,
        }

    def draft(self, conversation: Row, *, at: int) -> Row:
        """A mail that nobody has sent yet."""
        row = self.mail(conversation, at=at, incoming=False, subject="Entwurf")
        return {**row, "draft": True, "delivered_at": None}


def _field(who: Correspondent) -> Row:
    return {"name": who.name, "address": who.address}


def _threading(before: Row | None) -> Row:
    if not before or not before["email_message_id"]:
        return {}
    return {
        "in_reply_to": [before["email_message_id"]],
        "references": [*(before["references"] or ()), before["email_message_id"]][-10:],
    }


def _quoted(before: Row) -> Quoted:
    sender, body = before["from_field"] or {}, before["body"] or ""
    names = [each.get("name") or each.get("address", "") for each in before["to_fields"][:3]]
    return Quoted(
        name=sender.get("name") or "",
        address=sender.get("address", ""),
        to="; ".join(names),
        subject=(before["subject"] or "")[:200],
        at=max(time_of("messages", before), 0) % 4_000_000_000,
        body=body if len(body) <= MAX_QUOTED else "<p>[...]</p>",
    )
