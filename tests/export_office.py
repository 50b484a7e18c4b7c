"""A small office to be exported: real files with previews, mails with attachments, tasks, and what strangers name and
write. Its other project must never show up in the export of the first."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import databases
import page_office
import register_desk
import tables
from conftest import TEMPLATE
from nas_tree import Nas
from page_office import pdf
from psycopg.types.json import Jsonb

from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.objects.store import ObjectStore, original_key
from ibhelm_pipelines.register.activity import keep_activity
from ibhelm_pipelines.register.people import merge_people

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres
    from ibhelm_pipelines.local.s3 import EmbeddedS3
    from ibhelm_pipelines.settings import Settings

KITA, RATHAUS = page_office.KITA, page_office.RATHAUS
NAME = "2301 Kita Lindenhof"
SECRET = "Vergabevorschlag geheim"

SCRIPT = "<script>window.hit=1</script>"
HOSTILE = {
    "markup": "<img src=x onerror=window.hit=2>.txt",
    "turned": "Rechnung \u202efdp.exe",
    "device": "CON.txt",
    "stream": "a:b|c?.txt",
    "dots": "Ende. . .",
    "long": "Brandschutzkonzept_" * 12 + ".txt",
    "quote": "'; drop table\" x.txt",
    "hash": "100 % #1 &amp; ?x=1.txt",
    "decomposed": "U\u0308bersicht.txt",
}
CASES = ("Plan.TXT", "plan.txt", "PLAN.txt")
DEEP = "/".join(["Sehr langer Ordnername Nummer eins"] * 7) + "/Grundriss.txt"

PICTURE = b"\x89PNG\r\n\x1a\n" + b"picture" * 40
LIST = pdf("BSK-Liste", "Flur")
LETTER = "<p>Guten Tag,</p><p>anbei die <b>Klappen</b>.</p>"


@dataclass
class Office:
    """The office; `project` is the one that is exported, `other` is not."""

    settings: Settings
    url: str
    desk: register_desk.Desk
    project: int
    other: int
    mails: dict[str, int] = field(default_factory=dict)
    _next: int = 0

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return tables.ask(self.url, query, *values)

    def mail(self, conversation: int, subject: str, body: str, **more: Any) -> int:
        """Put a mail there as a sync does, with the body as Missive sent it."""
        self._next += 1
        missive_id = f"m{self._next:04}-0000"
        values = {"from_name": "Petra Trox", "from_address": "petra@trox.test", "at": "2025-03-14 09:22+01",
                  "message_id": f"{missive_id}@trox.test", "html": body, "text": "anbei die Klappen",
                  **more}  # fmt: skip
        [(number,)] = self.ask(
            "insert into emails (missive_id, subject, conversation_id, from_name, from_address, delivered_at,"
            " message_id, body_text) values (%s, %s, %s, %s, %s, %s, %s, %s) returning id",
            missive_id, subject, conversation, values["from_name"], values["from_address"], values["at"],
            values["message_id"], values["text"],
        )  # fmt: skip
        self.ask("insert into email_bodies (email_id, html) values (%s, %s) returning 1", number, values["html"])
        self.ask(
            "insert into ops.raw_records (source, kind, vendor_id, body, read_at)"
            " values ('missive', 'emails', %s, %s, now()) returning 1",
            missive_id,
            Jsonb({"body": body}),
        )
        self.mails[subject] = number
        return number

    def to(self, mail: int, kind: str, *parties: tuple[str | None, str]) -> None:
        for ordinal, (name, address) in enumerate(parties):
            self.ask("insert into email_recipients (email_id, kind, ordinal, name, address)"
                     " values (%s, %s, %s, %s, %s) returning 1", mail, kind, ordinal, name, address)  # fmt: skip

    def attach(self, mail: int, name: str, data: bytes | None, **more: Any) -> str:
        """Hang something on a mail, and keep it; None for what was never fetched. Returns Missive's id of it."""
        self._next += 1
        missive_id, content = f"at{self._next:04}", None
        if data is not None:
            content = self.keep(data)
        self.ask(
            "insert into email_attachments (missive_id, name, media_type, is_inline, skip_reason, missive_email_id,"
            " email_id, content_hash) values (%s, %s, %s, %s, %s, %s, %s, %s) returning 1",
            missive_id, name, more.get("media_type"), more.get("is_inline", False), more.get("skip_reason"),
            f"m{mail}", mail, content,
        )  # fmt: skip
        return missive_id

    def keep(self, data: bytes) -> str:
        """Put a content into the bucket and the tables."""
        content = hashlib.sha256(data).hexdigest()
        self.ask("insert into contents (hash, size_bytes) values (%s, %s) on conflict do nothing returning 1",
                 content, len(data))  # fmt: skip
        with ObjectStore(self.settings) as store:
            store.put_bytes(original_key(content), data, sha256=content, media_type="application/octet-stream")
        return content


@contextlib.contextmanager
def opened(postgres: EmbeddedPostgres, s3: EmbeddedS3, folder: Path) -> Iterator[Office]:
    """Make the office in a database and a bucket of its own, for the length of the block."""
    name = f"test_{uuid.uuid4().hex}"
    databases.create(postgres, name, template=TEMPLATE)
    try:
        settings = page_office.settings_of(folder, postgres, s3, name)
        yield _file(settings, postgres.url(name))
    finally:
        tables.close()
        databases.drop(postgres, name)


def _file(settings: Settings, owner_url: str) -> Office:
    nas, desk = Nas(settings), register_desk.Desk(settings, owner_url)
    office = Office(settings, owner_url, desk, desk.project(NAME), desk.project("2302 Rathaus"))
    nas.write(f"{KITA}/KGR 431/gelöscht.txt", "war einmal")
    scan(settings)
    run_step("store", settings)
    nas.path(f"{KITA}/KGR 431/gelöscht.txt").unlink()
    _write_files(nas)
    scan(settings)
    for step in ("store", "thumbnail"):
        run_step(step, settings)
    _write_project(office)
    _write_tasks(office)
    _write_mails(office)
    desk.link()
    merge_people(settings)
    keep_activity(settings, everything=True)
    return office


def _write_files(nas: Nas) -> None:
    nas.write(f"{KITA}/KGR 431/BSK-Liste.pdf", LIST, mtime=1_741_000_000)
    nas.write(f"{KITA}/KGR 431/Kopie der BSK-Liste.pdf", LIST, mtime=1_742_000_000)
    nas.write(f"{KITA}/Fotos/Flur.jpg", page_office._photo(), mtime=1_743_000_000)
    nas.write(f"{KITA}/O-Haus A/1. OG/Grundriss.pdf", pdf("Grundriss"), mtime=1_744_000_000)
    nas.write(f"{KITA}/leer.txt", b"")
    for name in HOSTILE.values():
        nas.write(f"{KITA}/Eingang/{name}", f"{SCRIPT} {name}")
    for name in CASES:
        nas.write(f"{KITA}/Schreibweisen/{name}", name)
    nas.write(f"{KITA}/{DEEP}", "tief")
    nas.write(f"{KITA}/Eingang/nicht utf8 \xff.txt".encode("latin-1"), "latin")
    nas.write(f"{RATHAUS}/{SECRET}.txt", SECRET)


def _write_project(office: Office) -> None:
    office.ask("insert into companies (teamwork_id, name) values (1, 'Bezirksamt Lichtenhain') returning 1")
    office.ask(
        "update projects set company_id = (select min(id) from companies), starts_on = '2025-01-07', description = %s"
        " where id = %s returning 1", f"<p>Lindenallee 4</p>{SCRIPT}", office.project,
    )  # fmt: skip
    office.ask(
        "insert into milestones (teamwork_id, name, due_on, project_id)"
        " values (1, 'Abgabe LPH 5', '2025-09-01', %s) returning 1",
        office.project,
    )


def _write_tasks(office: Office) -> None:
    [(person,)] = office.ask(
        "insert into people (teamwork_id, name, email) values (7, 'Özlem Aydın', 'oe@ib.test') returning id"
    )
    task = office.desk.task(office.project, "KGR 431", name=f"Klappen prüfen {SCRIPT}")
    office.ask(
        "update tasks set description = %s, created_at = '2025-03-01 10:00+01', due_on = '2025-04-01', creator_id = %s"
        " where id = %s returning 1", '=HYPERLINK("http://evil.test")\nzweite; Zeile', person, task,
    )  # fmt: skip
    office.ask(
        "insert into task_assignees (task_id, kind, teamwork_assignee_id, person_id)"
        " values (%s, 'person', 7, %s) returning 1", task, person,
    )  # fmt: skip
    office.ask(
        "insert into task_comments (teamwork_id, body, task_id, author_id, created_at)"
        " values (1, %s, %s, %s, '2025-03-02 10:00+01') returning 1", f"bestellt {SCRIPT}", task, person,
    )  # fmt: skip
    office.ask(
        "insert into time_entries (teamwork_id, minutes, spent_at, task_id, project_id, person_id, description)"
        " values (1, 95, '2025-03-03 10:00+01', %s, %s, %s, 'geprüft') returning 1", task, office.project, person,
    )  # fmt: skip
    archived = office.desk.task(office.project, name="Archivierte Aufgabe")
    office.ask("update tasks set state = 'archived' where id = %s returning 1", archived)
    gone = office.desk.task(office.project, name="Gelöschte Aufgabe")
    office.ask("update tasks set state = 'deleted', deleted_at = now() where id = %s returning 1", gone)
    office.desk.task(office.other, name=SECRET)


def _write_mails(office: Office) -> None:
    thread = office.desk.conversation(labels=[NAME])
    office.ask("update conversations set subject = %s where id = %s returning 1", f"Klappen {SCRIPT}", thread)
    first = office.mail(thread, "AW: Brandschutzklappen – Prüfung & Übergabe", LETTER)
    office.to(first, "to", ("Büro, Helm", "buero@ib.test"), (None, "zweite@ib.test"))
    office.to(first, "cc", ("Özlem Aydın", "oe@ib.test"))
    office.attach(first, "Liste (alt).pdf", pdf("nur in der Mail"), media_type="application/pdf")
    office.attach(first, "BSK-Liste.pdf", LIST, media_type="application/pdf")
    office.attach(first, "nie geladen.zip", None)
    office.attach(first, "logo.png", None, is_inline=True, skip_reason="Logo")
    second = office.mail(thread, "", "<p>x</p>", at="2025-04-02 08:00+02", from_name=None)
    shown = office.attach(second, "Foto.png", PICTURE, media_type="image/png", is_inline=True)
    html = f'<p>Foto: <img data-missive-attachment-id="{shown}" width="9"></p><a href="https://evil.test/x">hier</a>'
    office.ask(
        "update ops.raw_records set body = %s where vendor_id = (select missive_id from emails where id = %s)"
        " returning 1", Jsonb({"body": html}), second,
    )  # fmt: skip
    office.ask("update email_bodies set html = %s where email_id = %s returning 1", html, second)
    hostile = office.mail(
        thread,
        f"{SCRIPT}\r\nBcc: x@evil.test ../../CON \u202e" + "ü" * 300,
        f'<h1>Groß</h1><p style="color:#eee" onclick="x()">{SCRIPT}<img src="http://evil.test/t.gif">'
        '<a href="javascript:alert(1)">böse</a></p>',
        from_name='"; <x@y>\r\n',
        from_address="+49 30 1",
        html='<h1>Groß</h1><p style="color:#eee">Text <a href="http://evil.test/">da</a></p>',
    )
    office.attach(hostile, "../../etc/passwd\r\nX: y", b"not it", media_type="message/rfc822")
    office.ask(
        "insert into email_comments (missive_id, body, author_name, conversation_id, created_at)"
        " values ('k1', %s, 'Kim', %s, '2025-04-01 08:00+02') returning 1", f"intern {SCRIPT}", thread,
    )  # fmt: skip
    trashed = office.desk.conversation("Gelöschtes", labels=[NAME])
    office.ask("update conversations set state = 'trashed' where id = %s returning 1", trashed)
    office.desk.conversation(SECRET, labels=["2302 Rathaus"])
