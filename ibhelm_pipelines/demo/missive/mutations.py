"""A day in the office: random changes from a seed, of every kind that a mirror of Missive may miss."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.missive import actions, wording
from ibhelm_pipelines.demo.missive.malformed import ATTACHED, MALFORMED, add_malformed
from ibhelm_pipelines.demo.missive.writer import Writer, firm, short_address
from ibhelm_pipelines.demo.vocabulary import FIRMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from ibhelm_pipelines.demo.missive.state import Office, Row

BULK = 70
"""Conversations that one click closes, labels or moves, all in one second."""

_KEPT = {"users": 4, "teams": 3, "shared_labels": 4, "contacts": 3, "conversations": 15, "organizations": 2}
"""So many live rows are never deleted, or the office would come to an end."""


class Life:
    """What a mutation works with."""

    def __init__(self, office: Office, rng: Random) -> None:
        self.office, self.rng = office, rng
        self.writer = Writer(office, rng)

    def choice(self, rows: list[Row]) -> Row | None:
        """Return one of the rows, if there are any."""
        return self.rng.choice(rows) if rows else None

    def pick(self, table: str, test: Callable[[Row], bool] = lambda _: True) -> Row | None:
        """Return a live row that passes a test."""
        return self.choice([row for row in self.office.live(table) if test(row)])

    def of_a_team(self) -> Row | None:
        """Return a conversation of a team."""
        return self.pick("conversations", lambda row: row["team"] is not None)


def mutate(office: Office, rng: Random, count: int, names: Sequence[str] = ()) -> list[str]:
    """Change the office so many times; return what was done, in words for a person who looks for a fault.

    Args:
        office: what is changed.
        rng: the dice.
        count: how often.
        names: kinds of changes; all that happen by themselves when none is named.
    """
    done: list[str] = []
    names = names or [name for name, (weight, _) in MUTATIONS.items() if weight]
    weights = [MUTATIONS[name][0] or 1.0 for name in names]
    with office.lock:
        while len(done) < count:
            name = rng.choices(names, weights=weights)[0]
            row = MUTATIONS[name][1](Life(office, rng))
            if row is not None:
                done.append(f"{name} {row['id']}")
    return done


def _new_conversation(life: Life) -> Row | None:
    team = life.pick("teams", lambda row: life.office.me in row["active_members"])
    if team is None:
        return None
    project = life.rng.randrange(len(life.office.contents.projects))
    values: Row = {"team": team["id"], "organization": team["organization"], "_project": project}
    at = life.office.now()
    return actions.new_conversation(life.office, users=team["active_members"], at=at, **values)


def _new_mail(life: Life) -> Row | None:
    conversation = _new_conversation(life)
    if conversation is None:
        return None
    subject = life.writer.subject(life.rng.choice(wording.SUBJECTS), conversation)
    row = life.writer.mail(conversation, at=life.office.now(), incoming=life.rng.random() < 0.7, subject=subject)
    return actions.add_message(life.office, row)


def _reply(life: Life) -> Row | None:
    """A mail in any conversation; an old one moves to the top by it."""
    conversation = life.pick("conversations")
    if conversation is None:
        return None
    subject, incoming = _subject_of(life.office, conversation), life.rng.random() < 0.5
    row = life.writer.mail(conversation, at=life.office.now(), incoming=incoming, subject=subject)
    return actions.add_message(life.office, row)


def _subject_of(office: Office, conversation: Row) -> str:
    messages = office.inside("messages", conversation["id"])
    return str((messages[-1]["subject"] if messages else None) or "ohne Betreff")[:150]


def _short_message(life: Life) -> Row | None:
    conversation = _new_conversation(life)
    if conversation is None:
        return None
    kind = life.rng.choice(("sms", "whatsapp", "messenger"))
    row = life.writer.short_message(conversation, at=life.office.now(), incoming=True, kind=kind)
    return actions.add_message(life.office, row)


def _import(life: Life) -> Row | None:
    """An old mail of another mailbox turns up in a conversation."""
    conversation = life.pick("conversations")
    if conversation is None:
        return None
    now = life.office.now()
    old = now - life.rng.randrange(300, 3000) * 86_400
    row = life.writer.mail(conversation, at=old, incoming=True, subject="Altbestand")
    return actions.add_message(life.office, {**row, "created_at": now, "updated_at": now}, imported=True)


def _comment(life: Life) -> Row | None:
    conversation = life.pick("conversations")
    if conversation is None:
        return None
    return actions.add_comment(life.office, life.writer.comment(conversation, at=life.office.now()))


def _edit_task(life: Life) -> Row | None:
    comment = life.pick("comments", lambda row: row["task"] is not None)
    if comment is None:
        return None
    state, now = life.rng.choice(("todo", "in_progress", "closed")), life.office.now()
    times = {"started_at": None if state == "todo" else now, "closed_at": now if state == "closed" else None}
    actions.edit_task(life.office, comment, state=state, **times, assignees=[life.writer.user()["id"]])
    return comment


def _delete_comment(life: Life) -> Row | None:
    comment = life.pick("comments")
    if comment:
        actions.delete_comment(life.office, comment)
    return comment


def _edit_message(life: Life) -> Row | None:
    message = life.pick("messages", lambda row: row["body"] is not None and life.office.is_shown("messages", row))
    if message:
        actions.edit_message(life.office, message, body=f"{message['body']}<p>Nachgeladen {life.rng.randrange(99)}</p>")
    return message


def _delete_message(life: Life) -> Row | None:
    message = life.pick("messages")
    if message:
        actions.delete_message(life.office, message)
    return message


def _move_message(life: Life) -> Row | None:
    """A message that was filed under the wrong conversation."""
    message = life.pick("messages", lambda row: life.office.is_shown("messages", row))
    conversation = life.pick("conversations", lambda row: not row["_guest"])
    if message is None or conversation is None or message["conversation"] == conversation["id"]:
        return None
    actions.move_message(life.office, message, conversation)
    return message


def _trash_message(life: Life) -> Row | None:
    message = life.pick("messages")
    if message:
        actions.trash_message(life.office, message, on=not message["_trashed"])
    return message


def _label(life: Life) -> Row | None:
    conversation, label = life.of_a_team(), life.pick("shared_labels")
    if conversation is None or label is None:
        return None
    others = [each for each in conversation["shared_labels"] if each != label["id"]]
    has_it = label["id"] in conversation["shared_labels"]
    actions.set_labels(life.office, conversation, others if has_it else [*others, label["id"]])
    return conversation


def _last_label_off(life: Life) -> Row | None:
    conversation = life.pick("conversations", lambda row: len(row["shared_labels"]) == 1)
    if conversation:
        actions.set_labels(life.office, conversation, [])
    return conversation


def _assign(life: Life) -> Row | None:
    conversation = life.of_a_team()
    if conversation is None:
        return None
    users = list(conversation["users"])
    actions.assign(life.office, conversation, life.rng.sample(users, min(len(users), life.rng.randrange(3))))
    return conversation


def _flag(flag: str, life: Life, *, on: bool, only_me: bool = False) -> Row | None:
    office = life.office
    conversation = life.pick("conversations", lambda row: (flag in row["users"][office.me]) != on)
    if conversation:
        actions.set_flag(office, conversation, flag, on=on, users=[office.me] if only_me else None)
    return conversation


def _delete_conversation(life: Life) -> Row | None:
    rows = list(life.office.live("conversations"))
    if len(rows) <= _KEPT["conversations"]:
        return None
    conversation = life.rng.choice(rows)
    actions.delete_conversation(life.office, conversation)
    return conversation


def _merge(life: Life) -> Row | None:
    rows = [row for row in life.office.live("conversations") if not row["_guest"]]
    if len(rows) <= _KEPT["conversations"]:
        return None
    source, target = life.rng.sample(rows, 2)
    return actions.merge(life.office, source, target)


def _move_team(life: Life) -> Row | None:
    conversation = life.of_a_team()
    may_be_lost = len(list(life.office.live("conversations"))) > _KEPT["conversations"]
    team = life.pick("teams", lambda row: may_be_lost or life.office.me in row["active_members"])
    if conversation is None or team is None or team["id"] == conversation["team"]:
        return None
    actions.move(life.office, conversation, team["id"])
    return conversation


def _rename_subject(life: Life) -> Row | None:
    conversation = life.pick("conversations")
    if conversation:
        actions.rename(life.office, conversation, life.rng.choice((None, f"Umbenannt {life.rng.randrange(100)} ß")))
    return conversation


def _draft(life: Life) -> Row | None:
    conversation = life.pick("conversations")
    if conversation is None:
        return None
    return actions.add_draft(life.office, life.writer.draft(conversation, at=life.office.now()))


def _send_draft(life: Life) -> Row | None:
    """A draft becomes a message of the same id."""
    draft = life.pick("drafts")
    if draft is None:
        return None
    now = life.office.now()
    life.office.change(draft, {"_gone": True})
    sent = {**draft, "draft": False, "delivered_at": now, "created_at": now, "updated_at": now, "_gone": False}
    return actions.add_message(life.office, sent)


def _malformed(life: Life) -> Row | None:
    name = life.rng.choice([*MALFORMED, *ATTACHED])
    return add_malformed(life.office, life.rng, name, at=life.office.now())


def _rename_row(table: str, key: str, life: Life) -> Row | None:
    row = life.pick(table)
    if row:
        name = f"{str(row[key])[:50]} {life.rng.choice('äöüß€')}{life.rng.randrange(100)}"
        actions.rename_row(life.office, row, key, name)
    return row


def _rename_parent_label(life: Life) -> Row | None:
    """The labels below it are called otherwise, too."""
    labels = list(life.office.live("shared_labels"))
    parents = {row["parent"] for row in labels}
    row = life.choice([row for row in labels if row["id"] in parents])
    if row:
        actions.rename_row(life.office, row, "name", f"{row['name'].split()[0]} {life.rng.randrange(1000)}")
    return row


def _delete_row(table: str, life: Life) -> Row | None:
    rows = list(life.office.live(table))
    if len(rows) <= _KEPT[table]:
        return None
    spared = {life.office.me, *(row["id"] for row in rows[:1])}
    row = life.choice([row for row in rows if row["id"] not in spared])
    if row:
        actions.delete_row(life.office, table, row)
    return row


def _new_label(life: Life) -> Row | None:
    parent = life.pick("shared_labels")
    organization = next(iter(life.office.tables["organizations"]))
    row: Row = {"name": f"Etikett {life.rng.randrange(1000)}", "parent": parent and parent["id"]}
    return life.office.add("shared_labels", {**row, "organization": organization, "color": "#123456"})


def _new_user(life: Life) -> Row | None:
    name = f"Neue Kollegin {life.rng.choice('ABCDEFGH')}{life.rng.randrange(100)}"
    user = life.office.add("users", {"name": name, "email": short_address(name), "avatar_url": None})
    team = life.pick("teams")
    if team:
        life.office.change(team, {"active_members": [*team["active_members"], user["id"]]})
    return user


def _new_team(life: Life) -> Row | None:
    organization = next(iter(life.office.tables["organizations"]))
    row: Row = {"name": f"Team {life.rng.randrange(1000)}", "organization": organization, "observers": []}
    return life.office.add("teams", {**row, "active_members": [life.office.me, life.writer.user()["id"]]})


def _new_contact(life: Life) -> Row | None:
    who, book = firm(life.rng.randrange(len(FIRMS))), life.pick("contact_books")
    if book is None:
        return None
    infos = [{"kind": "email", "label": "home", "value": f"neu{life.rng.randrange(1000)}.{who.address}"}]
    row: Row = {"first_name": "Neu", "last_name": who.name, "starred": False, "contact_book": book["id"]}
    return life.office.add("contacts", {**row, "modified_at": life.office.now(), "infos": infos, "memberships": []})


def _bulk(life: Life) -> Row | None:
    """One click on many conversations: all are closed, labelled and commented in the same second."""
    rows = [row for row in life.office.live("conversations") if row["team"]]
    chosen = life.rng.sample(rows, min(BULK, len(rows)))
    label = life.pick("shared_labels")
    for conversation in chosen:
        actions.set_flag(life.office, conversation, "closed", on=True)
        if label and label["id"] not in conversation["shared_labels"]:
            actions.set_labels(life.office, conversation, [*conversation["shared_labels"], label["id"]])
        actions.add_comment(life.office, life.writer.comment(conversation, at=life.office.now()))
    return chosen[0] if chosen else None


MUTATIONS: dict[str, tuple[float, Callable[[Life], Row | None]]] = {
    "new mail": (8, _new_mail),
    "reply": (14, _reply),
    "short message": (1, _short_message),
    "import": (2, _import),
    "comment": (8, _comment),
    "edit task": (3, _edit_task),
    "delete comment": (2, _delete_comment),
    "edit message": (2, _edit_message),
    "delete message": (3, _delete_message),
    "move message": (1, _move_message),
    "trash or restore message": (1, _trash_message),
    "label on or off": (5, _label),
    "last label off": (1, _last_label_off),
    "assign": (3, _assign),
    "close": (3, partial(_flag, "closed", on=True)),
    "reopen": (2, partial(_flag, "closed", on=False)),
    "trash": (3, partial(_flag, "trashed", on=True, only_me=True)),
    "restore": (2, partial(_flag, "trashed", on=False)),
    "junk": (2, partial(_flag, "junked", on=True)),
    "not junk": (1, partial(_flag, "junked", on=False)),
    "snooze": (1, partial(_flag, "snoozed", on=True, only_me=True)),
    "delete conversation": (2, _delete_conversation),
    "merge": (3, _merge),
    "move team": (2, _move_team),
    "rename subject": (2, _rename_subject),
    "draft": (2, _draft),
    "send draft": (1, _send_draft),
    "rename parent label": (1, _rename_parent_label),
    "new label": (1, _new_label),
    "new user": (0.5, _new_user),
    "new team": (0.5, _new_team),
    "new contact": (1, _new_contact),
    **{
        f"rename {table}": (1.0, partial(_rename_row, table, key))
        for table, key in (
            ("users", "name"),
            ("teams", "name"),
            ("shared_labels", "name"),
            ("organizations", "name"),
            ("contacts", "last_name"),
        )
    },
    **{
        f"delete {table}": (weight, partial(_delete_row, table))
        for table, weight in (("users", 0.3), ("teams", 0.3), ("shared_labels", 0.7), ("contacts", 1.0))
    },
    "bulk": (0.0, _bulk),
    "malformed": (0.0, _malformed),
}
"""How often each happens beside the others; those of weight 0 only when they are asked for by name."""
