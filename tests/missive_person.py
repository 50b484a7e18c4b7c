"""An office whose mail one person took part in: as Missive shows it, in the tables, on the NAS and in S3.

What the connector does is done by its own store with bodies as Missive sends them; only the way over HTTP is left out.
"""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
import tables as asked
from nas_tree import Nas
from psycopg import sql

from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.forgotten import Forgotten, keep_forgotten_messages
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.privacy.kept_list import KEY
from ibhelm_pipelines.vendors.missive import resources
from ibhelm_pipelines.vendors.missive.records import attachments_of_comment, attachments_of_email
from ibhelm_pipelines.vendors.missive.tables import TABLES
from ibhelm_pipelines.vendors.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from ibhelm_pipelines.settings import Settings

MAX, MAX_NAME = "max.muster@x.de", "Max Mustermann"
LENA = {"id": "u-lena", "name": "Lena Kraft", "email": "lena@buero.de"}
MAX_USER = {"id": "u-max", "name": MAX_NAME, "email": MAX, "avatar_url": "https://bilder.example/max-muster.png"}
OTTO = {"name": "Otto Sommer", "address": "otto@firma.de"}
PERSON = {"name": MAX_NAME, "address": "Max.Muster@X.de"}

PROJECT = "projekte/2301-Kita"
INBOX = f"{PROJECT}/IBH-INBOX/20260105-{MAX_NAME}-Angebot WORT-m1"

PHRASES = {
    "a-own": b"WORT-a-own steht nur im Anhang von Max.\n",
    "a-shared": b"Dieser Plan kam auch von Otto.\n",
    "a-people": b"Diese Datei lag schon auf dem NAS.\n",
    "a-edited": b"WORT-a-edited, bevor es jemand bearbeitet hat.\n",
    "a-moved": b"Diese Datei hat jemand in das Projekt verschoben.\n",
    "a-comment": b"WORT-a-comment hing an einer Notiz von Max.\n",
    "a-waiting": b"WORT-a-waiting ist abgelegt und noch nicht verknuepft.\n",
}
PLACED = {name: f"{INBOX}/{name}.txt" for name in ("a-own", "a-shared", "a-edited", "a-moved", "a-waiting")}
MOVED_TO = f"{PROJECT}/Plaene/a-moved.txt"
PEOPLES = f"{PROJECT}/Akte/liste.txt"
TEMPORARY = f"{PROJECT}/IBH-INBOX/.ibhelm-7-abcd.partial"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _message(number: str, sender: Any, subject: str, *attached: str, to: Any = (), at: int = 0) -> dict[str, Any]:
    return {
        "id": number,
        "type": "email",
        "subject": subject,
        "preview": f"Vorschau WORT-{number}",
        "delivered_at": 1_767_600_000 + at,
        "created_at": 1_767_600_000 + at,
        "updated_at": 1_767_600_000 + at,
        "email_message_id": f"<{number}@post.example>",
        "from_field": sender,
        "to_fields": list(to),
        "cc_fields": [],
        "body": f"<p>Text WORT-{number} dieser Mail.</p>",
        "attachments": [_attachment(number, name) for name in attached],
    }


def _attachment(owner: str, name: str) -> dict[str, Any]:
    return {"id": f"{owner}-{name}", "filename": f"{name}.txt", "extension": "txt", "media_type": "text",
            "sub_type": "plain", "size": len(PHRASES[name])}  # fmt: skip


def _conversation(number: str, latest: str, messages: int, *authors: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "subject": None, "latest_message_subject": latest, "messages_count": messages,
        "last_activity_at": 1_767_700_000, "created_at": 1_767_600_000, "authors": list(authors),
        "users": [{**LENA, "closed": False}], "assignees": [], "shared_labels": [], **more,
    }  # fmt: skip


@dataclass
class Source:
    """What Missive holds."""

    users: list[dict[str, Any]] = field(default_factory=lambda: [LENA, MAX_USER])
    contacts: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"id": "p-max", "first_name": "Max", "last_name": "Mustermann",
             "infos": [{"kind": "email", "value": "MAX.Muster@x.de"}, {"kind": "phone_number", "value": "+49 30 1"}]},
            {"id": "p-otto", "first_name": "Otto", "last_name": "Sommer",
             "infos": [{"kind": "email", "value": "otto@firma.de"}]},
        ]
    )  # fmt: skip
    conversations: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    comments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def source() -> Source:
    made = Source()
    plus, nameless = {"name": "Laden", "address": "max.muster+shop@x.de"}, {"name": "Ohne Adresse", "address": None}
    to_all = [OTTO, PERSON, {"name": "Lena Kraft", "address": "lena@buero.de"}]
    both = {
        "users": [{**LENA, "closed": True}, {**MAX_USER, "closed": False}], "assignees": [MAX_USER, LENA],
        "assignee_names": f"{MAX_NAME}, Lena Kraft", "assignee_emails": f"{MAX}, lena@buero.de",
        "external_authors": [PERSON, OTTO],
    }  # fmt: skip
    made.conversations = {
        "c-mixed": _conversation("c-mixed", "Angebot WORT-m1", 2, PERSON, OTTO, **both),
        "c-otto": _conversation("c-otto", "Plan", 1, OTTO),
        "c-max": _conversation("c-max", "WORT-m5", 3, PERSON),
        "c-near": _conversation("c-near", "Bestellung", 2, plus, nameless),
    }
    made.messages = {
        "c-mixed": [
            _message("m2", OTTO, "AW: Antwort von Otto", to=to_all, at=50),
            _message("m1", PERSON, "Angebot WORT-m1", "a-own", "a-shared", "a-people", "a-edited", "a-moved",
                     "a-waiting", to=[OTTO], at=60),
        ],
        "c-otto": [_message("m3", OTTO, "Plan", "a-shared", to=[{"name": "Lena Kraft", "address": "lena@buero.de"}])],
        "c-max": [
            _message("m4", PERSON, "WORT-m4", "a-own", at=1),
            _message("m5", PERSON, "WORT-m5", at=2),
            _message("m6", PERSON, "WORT-m6", at=0),
        ],
        "c-near": [
            _message("m7", plus, "Bestellung", to=[OTTO]),
            _message("m8", nameless, "Ohne Absender", to=[{"name": "Niemand", "address": None}]),
        ],
    }  # fmt: skip
    made.comments = {
        "c-mixed": [
            {"id": "k1", "body": "Bitte ansehen.", "author": LENA, "created_at": 1_767_600_100,
             "mentions": [{"user_id": "u-max", "offset": 0, "length": 5}],
             "task": {"description": "Pruefen", "state": "todo", "assignees": [MAX_USER, LENA]}},
            {"id": "k2", "body": "Notiz WORT-k2", "author": MAX_USER, "created_at": 1_767_600_200,
             "attachment": _attachment("k2", "a-comment")},
        ]
    }  # fmt: skip
    return made


class Office:
    """The tables, the NAS and S3 of an office that mirrors a `Source`."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.source, self.nas = settings, source(), Nas(settings)
        self.url = settings.require_database_url()

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return asked.ask(self.url, query, *values)

    def one(self, query: str, *values: Any) -> Any:
        [(value,)] = self.rows(query, *values)
        return value

    def build(self) -> None:
        """Read Missive, put what it sent onto the NAS, scan."""
        self.sync()
        self._put_files()
        scan(self.settings)
        self._link_files()
        self.nas.move(PLACED["a-moved"], MOVED_TO)
        self.nas.write(PLACED["a-edited"], "Bearbeitet von Lena.\n")
        self.nas.write(TEMPORARY, b"WORT-halb ")
        scan(self.settings)
        self._post_webhooks()

    def derive(self) -> None:
        """Store the originals and extract their text."""
        for step in ("store", "text"):
            run_step(step, self.settings)

    def sync(self) -> None:
        """What the connector does with everything that Missive holds."""
        with connect(self.url, application="test", autocommit=True) as connection:
            store = Store(connection, TABLES)
            now = dt.datetime.now(dt.UTC)
            with store.writing():
                who = Forgotten.load(connection)

                def put(kind: Any, bodies: list[dict[str, Any]]) -> list[str]:
                    kept = {each["id"]: who.clean(kind.name, copy.deepcopy(each)) for each in bodies}
                    store.put(kind, [each for each in kept.values() if each is not None], now)
                    return [number for number, each in kept.items() if each is None]

                put(resources.USERS, self.source.users)
                put(resources.CONTACTS, self.source.contacts)
                for number, conversation in self.source.conversations.items():
                    put(resources.CONVERSATIONS, [conversation])
                    inside = [{**each, "conversation_id": number} for each in self.source.messages.get(number, [])]
                    hidden = put(resources.EMAILS, inside)
                    keep_forgotten_messages(connection, number, hidden)
                    shown = [each for each in inside if each["id"] not in hidden]
                    put(resources.ATTACHMENTS, [a for each in shown for a in attachments_of_email(each)])
                    said = [{**each, "conversation_id": number} for each in self.source.comments.get(number, [])]
                    hidden = put(resources.COMMENTS, said)
                    kept = [each for each in said if each["id"] not in hidden]
                    put(resources.ATTACHMENTS, [a for each in kept for a in attachments_of_comment(each)])
                put(resources.CONVERSATIONS, list(self.source.conversations.values()))

    def missing_messages(self) -> list[tuple[Any, ...]]:
        """The check "messages stored = messages_count", with what is known not to be kept."""
        return self.rows("""select c.missive_id from conversations c where c.deleted_at is null and c.messages_count <>
            (select count(*) from emails e where e.conversation_id = c.id and e.deleted_at is null)
            + (select count(*) from ops.forgotten_messages m where m.missive_conversation_id = c.missive_id)""")

    def _put_files(self) -> None:
        for name, path in PLACED.items():
            self.nas.write(path, PHRASES[name])
        self.nas.write(PEOPLES, PHRASES["a-people"])
        self.nas.write(f"{PROJECT}/Akte/anderes.txt", "Etwas ganz anderes.\n")

    def _link_files(self) -> None:
        """As the downloader does after the scan."""
        for number, name in self.rows("select id, name from email_attachments where missive_id like 'm1-%%'"):
            path = PLACED.get(str(name).removesuffix(".txt"), PEOPLES)
            if "a-waiting" in name:
                self.rows("insert into ops.attachment_files (attachment_id, raw_path, hash, size_bytes, placed_at)"
                          " values (%s, %s, %s, %s, now())", number, path.encode(), digest(PHRASES["a-waiting"]),
                          len(PHRASES["a-waiting"]))  # fmt: skip
                continue
            inbox = path if path != PEOPLES else None
            self.rows("update email_attachments a set content_hash = f.content_hash, file_id = f.id, inbox_path = %s,"
                      " raw_inbox_path = %s, saved_at = now() from files f where f.path = %s and a.id = %s",
                      inbox, inbox and inbox.encode(), path, number)  # fmt: skip
        for missive_id, name in (("m3-a-shared", "a-shared"), ("m4-a-own", "a-own")):
            self.rows("update email_attachments set content_hash = %s, saved_at = now(),"
                      " file_id = (select id from files where path = %s) where missive_id = %s",
                      digest(PHRASES[name]), PLACED[name], missive_id)  # fmt: skip
        self.rows(
            "insert into ops.attachment_files (attachment_id, raw_temporary_path)"
            " select id, %s from email_attachments where missive_id = 'k2-a-comment'",
            TEMPORARY.encode(),
        )

    def _post_webhooks(self) -> None:
        bodies = {
            "d-max": {
                "rule": {"type": "new_email"},
                "message": {"from_field": PERSON},
                "conversation": {"id": "c-max"},
            },
            "d-otto": {
                "rule": {"type": "new_email"},
                "message": {"from_field": OTTO},
                "conversation": {"id": "c-otto"},
            },
        }
        for delivery, body in bodies.items():
            self.rows("insert into ops.webhook_deliveries (vendor, delivery, event, body, kind, object_id) values"
                      " ('missive', %s, 'new_email', %s, 'conversation', %s)", delivery, json.dumps(body).encode(),
                      body["conversation"]["id"])  # fmt: skip

    def tables(self) -> list[str]:
        return [
            name
            for (name,) in self.rows("""select table_schema || '.' || table_name
            from information_schema.tables
            where table_schema in ('public', 'ops', 'search') and table_type = 'BASE TABLE'
            order by 1""")
        ]

    def holding(self, needle: str) -> list[str]:
        """The tables that hold a text anywhere, in bytes too."""
        template = "(select {} from {} t where t::text ilike {} or t::text ilike {} limit 1)"
        patterns = sql.Literal(f"%{needle}%"), sql.Literal(f"%{needle.encode().hex()}%")
        each = [sql.SQL(template).format(sql.Literal(name), sql.SQL(name), *patterns) for name in self.tables()]
        with psycopg.connect(self.url) as connection:
            return sorted(name for (name,) in connection.execute(sql.SQL(" union all ").join(each)))

    def contents(self) -> dict[str, set[str]]:
        """Every row of every table, as text."""
        return {
            table: {row for (row,) in self.rows(f"select to_jsonb(t)::text from {table} t")} for table in self.tables()
        }

    def objects(self) -> set[str]:
        """Originals and previews; not the list of whom to keep away."""
        with ObjectStore(self.settings) as store:
            return set(store.list_keys()) - {KEY}

    def disk(self) -> dict[Path, tuple[bytes, int]]:
        return {
            path.relative_to(self.nas.root): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in sorted(self.nas.root.rglob("*"))
            if path.is_file()
        }
