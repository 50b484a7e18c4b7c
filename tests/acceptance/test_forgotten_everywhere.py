"""One person's name, address and words, planted wherever mail reaches, and looked for everywhere after they were
forgotten: in every column of every database, every object, every file that we write, every answer.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import quote_plus

import psycopg
import pytest
import web_visitor
from click.testing import CliRunner, Result
from missive_office import connected
from nas_tree import Nas
from web_desk import file_link, sha256
from web_visitor import signed_in

from ibhelm_pipelines.cli import main
from ibhelm_pipelines.demo.missive import actions
from ibhelm_pipelines.demo.missive.contents import NasFile
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.live.attachments import save_attachments
from ibhelm_pipelines.local.postgres import find_binaries
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.register.people import merge_people
from ibhelm_pipelines.safety.backup import back_up
from ibhelm_pipelines.safety.manifests import write_manifests
from ibhelm_pipelines.search.documents import index_documents
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.missive.sync import sync

NEEDLE = "zwirn"
"""A piece of all that is planted, and of nothing else."""

NAME, ADDRESS = "Quendolin Zwirnfaden", "quendolin.zwirnfaden@gepflanzt.example"
PERSON = {"name": NAME, "address": ADDRESS}
PHRASE = b"Zwirninhalt4711 steht nur in diesem Anhang.\n"
SEED = 11


@pytest.fixture
def missive() -> Iterator[MissiveSimulator]:
    with MissiveSimulator(seed=SEED, projects=2, conversations=4, rate_limit=False) as missive:
        yield missive


@pytest.fixture
def settings(settings: Settings, missive: MissiveSimulator) -> Settings:
    return connected(settings, missive, attachment_inbox="on")


def plant(missive: MissiveSimulator) -> None:
    """A conversation of the person and somebody else: a mail with an attachment, an answer; and a card."""
    office = missive.office
    with office.lock:
        office.contents.nas.append(NasFile(path=PurePosixPath("Zwirnliste4711.txt"), data=PHRASE))
        attachment = {
            "id": str(uuid.uuid4()), "filename": "Zwirnliste4711.txt", "extension": "txt", "media_type": "text",
            "sub_type": "plain", "_content": f"nas:{len(office.contents.nas) - 1}", "_url": True,
        }  # fmt: skip
        known = next(row for row in office.live("messages") if row["type"] == "email" and row["_incoming"])
        beside = office.tables["conversations"][known["conversation"]]
        at = office.now()
        conversation = actions.new_conversation(office, users=beside["users"], at=at, team=beside["team"])
        common = {**known, "conversation": conversation["id"], "delivered_at": at, "_incoming": True}
        del common["id"]
        for sender, to, words, attached in (
            (known["from_field"], [PERSON], "Terminbestätigung", []),
            (PERSON, [known["from_field"]], "Zwirnangebot4711", [attachment]),
        ):
            actions.add_message(office, {
                **common, "created_at": at, "updated_at": at, "from_field": sender, "to_fields": to, "cc_fields": [],
                "bcc_fields": [], "reply_to_fields": [], "subject": words, "preview": words, "attachments": attached,
                "body": f"<p>{words} steht hier.</p>", "email_message_id": f"<{words}@post.example>",
                "in_reply_to": [], "references": [],
            })  # fmt: skip
        book = next(iter(office.tables["contact_books"]))
        office.add("contacts", {
            "first_name": "Quendolin", "last_name": "Zwirnfaden", "starred": False, "contact_book": book,
            "modified_at": at, "infos": [{"kind": "email", "label": "work", "value": ADDRESS}], "memberships": [],
        })  # fmt: skip


def plant_traces(url: str, nas: Nas) -> None:
    """What a bad day leaves of the person's file besides: problems, events, alerts, posts, and who read it."""
    [(raw_path, path, content)] = nas.rows("select raw_path, path, content_hash from files where name like 'Zwirn%%'")
    with psycopg.connect(url, autocommit=True) as connection:
        for statement, values in (
            ("insert into ops.path_problems (raw_path_digest, raw_path, path, folder, kind, reason)"
             " values (sha256(%s), %s, %s, 'IBH-INBOX/2026', 'unreadable_file', 'denied')", [raw_path, raw_path, path]),
            ("insert into ops.inbox (source, kind, key, label, error, poisoned_at)"
             " values ('nas', 'path', %s, %s, %s, now())", [raw_path, path, f"Cannot read {path}"]),
            ("insert into ops.alerts (key, severity, title, body) values ('k', 'error', 'Unreadable', %s)",
             [f"1 file cannot be read: {path}"]),
            ("insert into ops.webhook_deliveries (vendor, delivery, event, body, kind, object_id)"
             " values ('missive', 'd', 'new_email', %s, 'conversation', 'c')",
             [json.dumps({"message": {"from_field": PERSON}}).encode()]),
            ("insert into ops.access_log (id, at, way, who, action, content_hash, outcome, status)"
             " values (gen_random_uuid(), now(), 'link', %s, 'download', %s, 'allowed', 200)", [ADDRESS, content]),
        ):  # fmt: skip
            connection.execute(statement, values)  # type: ignore[arg-type]


def environment_of(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    token = settings.missive_token
    assert token is not None
    assert settings.missive_allowed is not None
    return {
        **environment,
        "IBHELM_MISSIVE_URL": settings.missive_url,
        "IBHELM_MISSIVE_TOKEN": token.get_secret_value(),
        "IBHELM_MISSIVE_ALLOWED": ",".join(settings.missive_allowed),
        "IBHELM_MISSIVE_REQUESTS_PER_15_MINUTES": "100000000",
        "IBHELM_ATTACHMENT_INBOX": "on",
    }


def run(environment: Mapping[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", *arguments]
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


EXPECTED = {
    f"database 0 {table}"
    for table in (
        "ops.access_log", "ops.alerts", "ops.disk_entries", "ops.inbox", "ops.path_problems", "ops.raw_records",
        "ops.webhook_deliveries", "public.contact_infos", "public.content_texts", "public.conversations",
        "public.email_attachments", "public.email_bodies", "public.email_recipients", "public.emails",
        "public.file_versions", "public.files", "public.person_identities", "search.documents", "search.lexemes",
        "search.vocabulary",
    )
}  # fmt: skip
"""Where it must have been, or its absence would prove nothing."""


class Everywhere:
    """All that the platform keeps, as text in small letters, by place."""

    def __init__(self, settings: Settings, databases: list[str]) -> None:
        self._settings, self._databases = settings, databases

    def holding(self) -> dict[str, str]:
        """Return where the needle stands, with what stands around it."""
        found = {}
        for place, data in self._places():
            text = data.decode("utf-8", "replace").lower()
            at = max(text.find(each) for each in (NEEDLE, NEEDLE.encode().hex(), "5a7769726e"))
            if at >= 0:
                found[place] = text[max(0, at - 300) : at + 120]
        return found

    def answers(self, folder: Path, content: str) -> list[str]:
        """Return what the page, its API and its links still give."""
        with web_visitor.running(self._settings, folder) as web:
            visitor, given = signed_in(web), []
            for words in (ADDRESS, "Zwirnfaden", "Zwirnangebot4711", "Zwirninhalt4711", "Zwirn"):
                found = visitor.get("/api/search", params={"q": words}).json()["hits"]
                page = visitor.get("/", params={"q": words}).text.lower()
                for echo in (words, quote_plus(words)):  # in the field, and in links
                    page = page.replace(echo.lower(), "")
                given += [words] * (NEEDLE in json.dumps(found).lower() or NEEDLE in page)
            if visitor.get("/api/suggest", params={"q": "Zwirn"}).json() != {"completions": []}:
                given.append("completions")
            if web.get(file_link(content)).status != 404:
                given.append("link")
        return given

    def _places(self) -> Iterator[tuple[str, bytes]]:
        for number, url in enumerate(self._databases):
            yield from self._tables(number, url)
        with ObjectStore(self._settings) as store:
            for key in store.list_keys():
                if key.startswith("backups/"):
                    continue  # docs/privacy.md: nobody can take anything out of them
                opened = store.open(key)
                assert opened is not None
                with contextlib.closing(opened):
                    yield f"s3 {key}", key.encode() + _unpacked(opened.read(opened.stored.size))
        for root in (self._settings.state_dir, self._settings.nas_root):
            assert root is not None
            for path in root.rglob("*"):
                data = path.read_bytes() if path.is_file() else b""
                yield f"file {path.relative_to(root)}", os.fsencode(path.name) + _unpacked(data)

    def _tables(self, number: int, url: str) -> Iterator[tuple[str, bytes]]:
        """Everything that pg_dump finds, by table: every schema, with sequences, comments and large objects."""
        dumped = subprocess.run(
            [str(find_binaries() / "pg_dump"), "--dbname", url], capture_output=True, check=True
        ).stdout
        for part in dumped.split(b"\nCOPY "):
            yield f"database {number} {part.split(b' ', 1)[0].decode(errors='replace')[:60]}", part


def _unpacked(data: bytes) -> bytes:
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    return data


def forget(environment: Mapping[str, str], *more: str) -> Result:
    kept = {**{name: None for name in os.environ if name.startswith("IBHELM_")}, **environment}
    return CliRunner(env=kept).invoke(main, ["forget", "--address", ADDRESS, *more])


@pytest.mark.timeout(900)
def test_a_person_who_was_forgotten_is_nowhere_but_where_the_docs_say(
    settings: Settings, missive: MissiveSimulator, environment: dict[str, str], owner_database_url: str, tmp_path: Path
) -> None:
    plant(missive)
    nas = Nas(settings)
    nas.write("projekte/A/Notiz.txt", b"Etwas anderes.\n")
    environment = environment_of(settings, environment)
    run(environment, "sync", "missive")  # with attachments, which the scan finds
    run(environment, "scan")
    save_attachments(settings)  # links them
    index_documents(settings)
    merge_people(settings)
    write_manifests(settings, now=dt.datetime.now(dt.UTC))
    plant_traces(owner_database_url, nas)
    everywhere = Everywhere(settings, [owner_database_url, environment["IBHELM_DAGSTER_DATABASE_URL"]])
    planted = everywhere.holding()
    assert set(planted) > EXPECTED, EXPECTED - set(planted)
    assert any(place.startswith("s3 manifests/") for place in planted)
    assert any(place.startswith("s3 originals/") for place in planted)
    back_up(settings, now=dt.datetime.now(dt.UTC))

    done = forget(environment, "--yes")

    assert done.exit_code == 0, done.output
    assert "backups of the databases that were made before; by the rules the last of them expires on" in " ".join(
        done.output.split()
    )
    assert everywhere.holding() == {}
    assert everywhere.answers(tmp_path, sha256(PHRASE)) == []
    sync(settings, full=True)
    save_attachments(settings)
    scan(settings)
    index_documents(settings)
    assert everywhere.holding() == {}, "Missive still has it all, and it stays away"
