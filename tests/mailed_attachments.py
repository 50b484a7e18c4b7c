"""Mails with attachments as a sync has stored them, and the two hosts that they are fetched from: for tests of what
becomes of the attachments, without a sync before it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
from nas_tree import Nas
from psycopg.types.json import Jsonb

from ibhelm_pipelines.live.attachments import AttachmentReport, save_attachments
from ibhelm_pipelines.settings import Settings

TOKEN = "missive_pat-of-the-tests"
DELIVERED = "2026-03-05 23:30:00+00"
"""In Berlin it is the 6th already."""

PROJECT = "projekte/2304-Kita Lindenhof-MK"

Play = Callable[[BaseHTTPRequestHandler, bytes], None]


@dataclass
class Served:
    """One attachment as its host has it; `plays` answer its next downloads instead."""

    data: bytes
    generation: int = 0
    plays: list[Play] = field(default_factory=list)


class MailedAttachments:
    """A mailbox in the database, its hosts on 127.0.0.1, and the NAS; a context manager."""

    def __init__(self, settings: Settings) -> None:
        self.nas = Nas(settings)
        self.files: dict[str, Served] = {}
        self.mails: dict[str, list[str]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.api_plays: list[Play] = []
        self._lock = Lock()
        self._api, self._host = _server(self, "api"), _server(self, "host")
        self.api_url, self.host_url = (f"http://127.0.0.1:{s.server_port}" for s in (self._api, self._host))
        changes: dict[str, Any] = {
            "missive_url": f"{self.api_url}/v1",
            "missive_token": TOKEN,
            "attachment_inbox": "on",
        }
        self.settings = Settings.model_validate({**settings.model_dump(), "missive_allowed": ("team:x",), **changes})
        self._connection = psycopg.connect(settings.require_database_url(), autocommit=True)

    def __enter__(self) -> Self:
        for server in (self._api, self._host):
            Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._connection.close()
        for server in (self._api, self._host):
            server.shutdown()
            server.server_close()

    def project(self, folder: str = PROJECT) -> None:
        """Make a project folder that a scan has seen."""
        self.nas.path(folder).mkdir(parents=True, exist_ok=True)
        self._do(
            """insert into ops.folders (folder, raw_folder) values (normalize(%s), %s)
               on conflict (folder) do update set present = true""",
            folder, folder.encode(),
        )  # fmt: skip

    def conversation(self, name: str = "c", *labels: str, **values: Any) -> str:
        columns = {"missive_id": name, "last_activity_at": DELIVERED, "subject": f"Unterhaltung {name}", **values}
        self._insert("conversations", columns)
        for label in labels:
            self._insert("labels", {"missive_id": label, "name": label, "full_name": label})
            self._do(
                """insert into conversation_labels (conversation_id, missive_label_id, label_id)
                   select c.id, l.missive_id, l.id from conversations c, labels l
                   where c.missive_id = %s and l.missive_id = %s""",
                name, label,
            )  # fmt: skip
        return name

    def mail(self, name: str, *attachments: tuple[str, bytes], conversation: str = "c", **values: Any) -> list[int]:
        """Store a mail with attachments; returns their ids, in their order."""
        if not self.nas.rows("select 1 from conversations where missive_id = %s", conversation):
            self.conversation(conversation, "2304")
        sender = {"from_name": "Jürgen Müller", "from_address": "jm@example.de"}
        mine = {"subject": "Angebot Lüftung", "delivered_at": DELIVERED, **sender, **values}
        self._insert("emails", {"missive_id": name, "missive_conversation_id": conversation, **mine})
        self._do(
            """update emails e set conversation_id = c.id from conversations c
               where c.missive_id = e.missive_conversation_id"""
        )
        ids = [self._attach(name, f"{name}.{i}", *each) for i, each in enumerate(attachments)]
        self.mails[name] = [f"{name}.{i}" for i in range(len(attachments))]
        self._do(
            """insert into ops.raw_records (source, kind, vendor_id, body, read_at)
               values ('missive', 'emails', %s, %s, now())""",
            name, Jsonb(self._message(name)),
        )  # fmt: skip
        return ids

    def comment(self, name: str, file: str, data: bytes, **values: Any) -> int:
        """Store a comment with an attachment; returns that one's id."""
        self.conversation("c", "2304")
        number = f"{name}.0"
        self.files[number] = Served(data)
        self._insert("email_comments", {"missive_id": name, "created_at": DELIVERED, **values})
        self._do("update email_comments k set conversation_id = c.id from conversations c")
        columns = {"missive_id": number, "name": file, "size_bytes": len(data), "missive_comment_id": name}
        self._insert("email_attachments", columns)
        self._do("update email_attachments a set comment_id = k.id from email_comments k")
        body = {"id": name, "attachment": {"id": number, "url": self._url(number)}}
        self._do(
            """insert into ops.raw_records (source, kind, vendor_id, body, read_at)
               values ('missive', 'email_comments', %s, %s, now())""",
            name,
            Jsonb(body),
        )
        return int(self.nas.one("select id from email_attachments where missive_id = %s", number))

    def _attach(self, mail: str, number: str, name: str, data: bytes) -> int:
        self.files[number] = Served(data)
        columns = {"missive_id": number, "name": name, "size_bytes": len(data), "missive_email_id": mail}
        self._insert("email_attachments", columns)
        self._do("update email_attachments a set email_id = e.id from emails e where e.missive_id = a.missive_email_id")
        return int(self.nas.one("select id from email_attachments where missive_id = %s", number))

    def disconnect(self) -> None:
        """Let go of the database, which is going to be put back to what it held."""
        self._connection.close()

    def expire(self) -> None:
        """All addresses that were told before are too old from now on."""
        for served in self.files.values():
            served.generation += 1

    def save(self, **arguments: Any) -> AttachmentReport:
        return save_attachments(self.settings, **arguments)

    def failing(self, number: str, *plays: Play) -> None:
        self.files[number].plays = list(plays)

    def path_of(self, attachment: int) -> str | None:
        found: str | None = self.nas.one("select inbox_path from email_attachments where id = %s", attachment)
        return found

    def downloads(self) -> list[str]:
        """Ids of the attachments that were asked for."""
        return [urlsplit(path).path.split("/")[1] for host, path, _ in self.requests if host == "host"]

    def written(self) -> dict[str, bytes]:
        """All files in inboxes, by path; those that are not finished included."""
        paths = (p for p in self.nas.root.rglob("*") if "IBH-INBOX" in p.parts and p.is_file())
        return {str(p.relative_to(self.nas.root)): p.read_bytes() for p in paths}

    def assert_linked(self, *attachments: int) -> None:
        """Each has its content, and a live file that holds just these bytes on the disk."""
        query = """select a.missive_id, a.content_hash, f.raw_path from email_attachments a
            join files f on f.id = a.file_id and f.deleted_at is null and f.content_hash = a.content_hash
            where a.id = any(%s) and a.saved_at is not null"""
        rows = self.nas.rows(query, list(attachments))
        assert len(rows) == len(set(attachments))
        for number, digest, raw_path in rows:
            assert self.nas.path(raw_path).read_bytes() == self.files[number].data
            assert hashlib.sha256(self.files[number].data).hexdigest() == digest
        under_way = "select count(*) from ops.attachment_files where attachment_id = any(%s)"
        assert self.nas.one(under_way, list(attachments)) == 0
        self.nas.assert_sound()

    def reason(self, attachment: int) -> str:
        found = self.nas.rows("select reason from ops.attachment_attempts where attachment_id = %s", attachment)
        return found[0][0] if found else ""

    def retry_now(self) -> None:
        """All pauses are over."""
        self._do("update ops.attachment_attempts set next_try_at = now() where not permanent")

    def _insert(self, table: str, columns: dict[str, Any]) -> None:
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        self._do(f"insert into {table} ({names}) values ({marks}) on conflict do nothing", *columns.values())

    def _do(self, statement: str, *values: Any) -> None:
        self._connection.execute(statement, values)  # type: ignore[arg-type]

    def _message(self, mail: str) -> dict[str, Any]:
        return {"id": mail, "attachments": [{"id": each, "url": self._url(each)} for each in self.mails[mail]]}

    def _url(self, number: str) -> str:
        return f"{self.host_url}/{number}/{quote('ä b')}?Expires={self.files[number].generation}"

    def answer(self, handler: BaseHTTPRequestHandler, server: str) -> None:
        parts = urlsplit(handler.path)
        with self._lock:
            self.requests.append((server, handler.path, dict(handler.headers)))
        if server == "api":
            if self.api_plays:
                self.api_plays.pop(0)(handler, b"")
                return
            mail = parts.path.rpartition("/")[2]
            if mail == "comments":
                numbers = [each for each in self.files if each.rpartition(".")[0] not in self.mails]
                fresh = [{"id": each[:-2], "attachment": {"id": each, "url": self._url(each)}} for each in numbers]
                send(handler, 200, json.dumps({"comments": fresh}).encode())
                return
            known = mail in self.mails
            body = {"messages": self._message(mail)} if known else {"error": {"message": "not found"}}
            send(handler, 200 if known else 404, json.dumps(body).encode())
            return
        served = self.files[parts.path.split("/")[1]]
        if served.plays:
            served.plays.pop(0)(handler, served.data)
        elif parse_qs(parts.query)["Expires"] != [str(served.generation)]:
            send(handler, 403, b"<Error><Code>AccessDenied</Code></Error>")
        else:
            send(handler, 200, served.data)


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    """Send a whole answer."""
    handler.send_response(status)
    for name, value in {"Content_Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def answering(status: int, **headers: str) -> Play:
    return lambda handler, _data: send(handler, status, b"", **headers)


def cut(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """Promise all and break off in the middle."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])
    handler.wfile.flush()
    handler.close_connection = True
    handler.connection.shutdown(2)


def another_size(difference: int) -> Play:
    """Send fewer or more bytes than the mail says, in good order."""
    return lambda handler, data: send(handler, 200, (data + bytes(abs(difference)))[: len(data) + difference])


def endless(handler: BaseHTTPRequestHandler, _data: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    try:
        while True:
            handler.wfile.write(bytes(1 << 16))
    except OSError:
        return


def slowly(seconds: float) -> Play:
    def play(handler: BaseHTTPRequestHandler, data: bytes) -> None:
        time.sleep(seconds)
        send(handler, 200, data)

    return play


def _server(office: MailedAttachments, name: str) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            office.answer(self, name)

        def log_message(self, *_: Any) -> None:
            """Tests say for themselves what they want to know."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)
