"""Makes the office's Missive from a seed: people, teams, labels, contacts, and conversations of every kind.

Of each sixty conversations, the first twenty are of special kinds (see `_SPECIAL`), so that even a small office has
them all; the rest is what an office of engineers writes and is written to.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.missive import actions, wording
from ibhelm_pipelines.demo.missive.mailboxes import in_mailboxes
from ibhelm_pipelines.demo.missive.switches import Switches
from ibhelm_pipelines.demo.missive.writer import Writer, firm, short_address
from ibhelm_pipelines.demo.model import LAST_DAY
from ibhelm_pipelines.demo.vendor.exchange import Parameters
from ibhelm_pipelines.demo.vocabulary import DRAUGHTSMEN, FIRMS, STAFF

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.demo.missive.state import Office, Row

    Special = Callable[["_Seeding", int], None]

DAY = 86_400
LAST_SECOND = int(dt.datetime.combine(LAST_DAY, dt.time(17), dt.UTC).timestamp())
TIED_SECOND = LAST_SECOND + 60
YEARS = 2
ROUND = 60
"""Each round of so many conversations has all special kinds once."""

_OWN = 5
_TIMELESS = Switches(merging_moves_activity=False)
"""While the office is made, nothing moves to now: the same seed makes the same office at any hour."""


def seed_office(office: Office, *, seed: int, conversations: int, ties: int) -> None:
    """Fill an empty office.

    Args:
        office: the office.
        seed: another seed makes another office.
        conversations: how many; they have about four mails each.
        ties: so many of them were active in one and the same second.
    """
    habits = office.switches
    office.switches = replace(_TIMELESS, merge_survivor=habits.merge_survivor)
    seeding = _Seeding(office, Random(f"{seed} missive"))
    seeding.directories()
    for number in range(conversations):
        special = _SPECIAL.get(number % ROUND, _Seeding.ordinary)
        special(seeding, number)
    seeding.tie(ties)
    office.switches = habits


class _Seeding:
    """Makes one conversation after the other."""

    def __init__(self, office: Office, rng: Random) -> None:
        self.office, self.rng = office, rng
        self.writer = Writer(office, rng)

    def directories(self) -> None:
        """People, teams, labels and contacts."""
        office, rng = self.office, self.rng
        for name in (wording.ORGANIZATION, "Helm Bauüberwachung"):
            office.add("organizations", {"name": name})
        for name in (*(staff.name for staff in STAFF), *DRAUGHTSMEN[:2]):
            office.add("users", {"name": name, "email": short_address(name), "avatar_url": None})
        users = list(office.tables["users"])
        office.me = users[0]
        organization = next(iter(office.tables["organizations"]))
        for name in wording.TEAMS:
            everybody = name == wording.TEAMS[0]
            members = [user for user in users if everybody or user == office.me or rng.random() < 0.7]
            members = users[1:3] if name == wording.TEAMS[-1] else members
            team: Row = {"name": name, "organization": organization, "active_members": members, "observers": []}
            office.add("teams", team)
        by_name: dict[str, str] = {}
        for name, parent in wording.LABELS:
            above = by_name.get(parent) if parent else None
            label: Row = {
                "name": name,
                "parent": above,
                "organization": organization,
                "color": rng.choice(wording.COLORS),
            }
            by_name[name] = office.add("shared_labels", label)["id"]
        self._contacts()

    def _contacts(self) -> None:
        office = self.office
        for name in ("Firmen", "Bauherren"):
            book = office.add("contact_books", {"name": name, "description": None})
            office.add("contact_groups", {"name": f"{name} Berlin", "contact_book": book["id"], "kind": "group"})
        books = list(office.tables["contact_books"])
        for number in range(len(FIRMS)):
            who = firm(number)
            infos = [{"kind": "email", "label": "work", "value": who.address}]
            infos.append({"kind": "phone_number", "label": "work", "value": who.phone})
            contact: Row = {
                "first_name": who.name.split()[0],
                "last_name": who.name.split()[1],
                "starred": False,
                "contact_book": books[number % 2],
                "modified_at": LAST_SECOND - number * DAY,
                "infos": infos,
                "memberships": [],
            }
            office.add("contacts", contact)

    def team(self, name: str | None = None) -> Row:
        """Return a team of the token's user, or the one of this name."""
        wanted = name or self.rng.choice(wording.TEAMS[:-1])
        return next(team for team in self.office.tables["teams"].values() if team["name"] == wanted)

    def begun(self, *, team: Row | None, users: list[str] | None = None, project: int | None = None) -> Row:
        """A conversation without anything in it, some time in the last years."""
        at = LAST_SECOND - self.rng.randrange(DAY, YEARS * 365 * DAY)
        members = team["active_members"] if team else [self.office.me]
        values: Row = {"_project": project, "team": team["id"] if team else None}
        values["organization"] = team["organization"] if team else None
        if team:
            values["shared_labels"] = self.labels()
            values["assignees"] = [self.rng.choice(members)] if self.rng.random() < 0.3 else []
        return actions.new_conversation(self.office, users=members if users is None else users, at=at, **values)

    def labels(self) -> list[str]:
        """Some shared labels."""
        labels = list(self.office.tables["shared_labels"])
        return self.rng.sample(labels, self.rng.choices((0, 1, 2, 3), weights=(4, 3, 2, 1))[0])

    def mails(self, conversation: Row, count: int, subject: str) -> None:
        """Let mails go to and fro, until the last day at most."""
        at = conversation["last_activity_at"]
        for number in range(count):
            row = self.writer.mail(conversation, at=at, incoming=number % 2 == 0, subject=subject)
            actions.add_message(self.office, row)
            at = min(at + self.rng.randrange(600, 3 * DAY), LAST_SECOND - (count - number))

    def comments(self, conversation: Row, count: int) -> None:
        """Let colleagues comment."""
        for _ in range(count):
            at = min(conversation["last_activity_at"] + self.rng.randrange(60, DAY), LAST_SECOND)
            actions.add_comment(self.office, self.writer.comment(conversation, at=at))

    def thread(self, count: int, *, team: Row | None = None, users: list[str] | None = None) -> Row:
        """A conversation of a project, or of none."""
        rng = self.rng
        project = rng.randrange(len(self.office.contents.projects)) if rng.random() < 0.75 else None
        template = rng.choice(wording.UNRELATED_SUBJECTS if project is None else wording.SUBJECTS)
        conversation = self.begun(team=team or self.team(), users=users, project=project)
        self.mails(conversation, count, self.writer.subject(template, conversation))
        return conversation

    def ordinary(self, _number: int) -> None:
        """What comes in every day."""
        rng = self.rng
        count = rng.choices((1, 2, 3, 4, 6, 9, 12), weights=(30, 20, 15, 12, 12, 7, 4))[0]
        conversation = self.thread(count)
        self.comments(conversation, rng.choices((0, 1, 2, 5), weights=(70, 15, 10, 5))[0])
        if rng.random() < 0.3:
            actions.set_flag(self.office, conversation, "closed", on=True)
        if rng.random() < 0.1:
            trade = rng.choice(wording.TRADES)
            actions.rename(self.office, conversation, f"Geklärt: {trade}")
            conversation["_groups"] = sorted({*conversation["_groups"], wording.TRADE_GROUPS[trade]})

    def tie(self, count: int) -> None:
        """Let so many conversations have been active in one second."""
        shown = in_mailboxes(self.office, Parameters({"all": "true"}))
        rows = [row for row in self.office.live("conversations") if shown(row) and not row["_guest"]]
        for row in rows[-count:] if count else ():
            self.office.change(row, {"last_activity_at": TIED_SECOND})

    def long_thread(self, _number: int) -> None:
        self.comments(self.thread(31), 23)

    def thread_of_27(self, _number: int) -> None:
        self.thread(27)

    def comments_only(self, _number: int) -> None:
        self.comments(self.begun(team=self.team(), project=0), 3)

    def short_messages(self, number: int) -> None:
        conversation = self.begun(team=self.team())
        kind = {3: "sms", 4: "whatsapp"}.get(number % ROUND, "messenger")
        for incoming in (True, False, True):
            at = conversation["last_activity_at"] + 90
            row = self.writer.short_message(conversation, at=at, incoming=incoming, kind=kind)
            actions.add_message(self.office, row)

    def personal(self, number: int) -> None:
        """Of the token's user alone, or of one colleague after the other alone."""
        me, *others = self.office.tables["users"]
        owner = me if number % ROUND == _OWN else others[number // ROUND % len(others)]
        conversation = self.begun(team=None, users=[owner])
        self.mails(conversation, 2, self.rng.choice(wording.PERSONAL_SUBJECTS))

    def of_another_team(self, _number: int) -> None:
        self.thread(2, team=self.team(wording.TEAMS[-1]))

    def as_guest(self, _number: int) -> None:
        self.office.change(self.thread(2), {"_guest": True})

    def put_away(self, number: int) -> None:
        """Trashed, junked, closed, snoozed or flagged."""
        flag = {9: "trashed", 10: "junked", 11: "closed", 19: "snoozed"}[number % ROUND]
        conversation = self.thread(2)
        users = [self.office.me] if flag in {"trashed", "snoozed"} else None
        actions.set_flag(self.office, conversation, flag, on=True, users=users)
        if flag == "snoozed":
            actions.set_flag(self.office, conversation, "flagged", on=True, users=users)

    def merged(self, _number: int) -> None:
        """Two that became one, and by that one conversation less."""
        actions.merge(self.office, self.thread(3), self.thread(2))

    def vanished(self, _number: int) -> None:
        actions.delete_conversation(self.office, self.thread(2))

    def imported(self, _number: int) -> None:
        """A mail of years ago that somebody fetched from an old mailbox."""
        conversation = self.thread(2)
        row = self.writer.mail(conversation, at=LAST_SECOND - 9 * 365 * DAY, incoming=True, subject="Altbestand")
        row |= {"created_at": LAST_SECOND - DAY, "updated_at": LAST_SECOND - DAY}
        actions.add_message(self.office, row, imported=True)

    def with_drafts(self, _number: int) -> None:
        conversation = self.thread(2)
        for _ in range(2):
            actions.add_draft(self.office, self.writer.draft(conversation, at=conversation["last_activity_at"] + 5))

    def with_every_comment(self, _number: int) -> None:
        """A mention, an attachment without a text, and a task."""
        conversation = self.thread(1)
        at, names = conversation["last_activity_at"], [row["name"] for row in self.office.live("users")]
        base = {**self.writer.comment(conversation, at=at + 60), "mentions": [], "attachment": None, "task": None}
        body, other = f"@{names[1]} bitte prüfen ✔", list(self.office.tables["users"])[1]
        mention = {"id": other, "index": 0, "length": len(names[1]) + 1}
        actions.add_comment(self.office, {**base, "body": body, "mentions": [mention]})
        picture = self.writer.attachment("photo:1")
        actions.add_comment(self.office, {**base, "body": None, "created_at": at + 120, "attachment": picture})
        actions.add_comment(self.office, {**base, "created_at": at + 180, "task": self.writer.task(at + 180)})

    def with_trashed_message(self, _number: int) -> None:
        conversation = self.thread(3)
        actions.trash_message(self.office, self.office.inside("messages", conversation["id"])[1], on=True)

    def twice_delivered(self, _number: int) -> None:
        """The same mail in two conversations: two rows with one message id."""
        first, second = self.thread(1), self.begun(team=self.team())
        second |= {"_project": first["_project"], "_groups": first["_groups"]}
        row = self.office.inside("messages", first["id"])[0]
        attachments = [{**each, "id": self.office.new_id()} for each in row["attachments"]]
        copy = {**row, "id": self.office.new_id(), "conversation": second["id"], "attachments": attachments}
        actions.add_message(self.office, copy)


_SPECIAL: dict[int, Special] = {
    0: _Seeding.long_thread,
    1: _Seeding.thread_of_27,
    2: _Seeding.comments_only,
    3: _Seeding.short_messages,
    4: _Seeding.short_messages,
    5: _Seeding.personal,
    6: _Seeding.personal,
    7: _Seeding.of_another_team,
    8: _Seeding.as_guest,
    9: _Seeding.put_away,
    10: _Seeding.put_away,
    11: _Seeding.put_away,
    12: _Seeding.merged,
    13: _Seeding.vanished,
    14: _Seeding.imported,
    15: _Seeding.with_drafts,
    16: _Seeding.with_every_comment,
    17: _Seeding.with_trashed_message,
    18: _Seeding.twice_delivered,
    19: _Seeding.put_away,
    20: _Seeding.short_messages,
}
