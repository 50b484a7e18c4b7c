"""Whoever reads through a link, the page, its API or an assistant stands in the log: who, what, and never the words."""

from __future__ import annotations

import datetime as dt
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import databases
import psycopg
import pytest
import tables
import web_desk
import web_visitor
from assistant_desk import assistant_in_process, assistant_over_http, environment_of
from click.testing import CliRunner, Result
from mcp.shared.exceptions import MCPError
from nas_tree import Nas
from pydantic import SecretStr
from reader_desk import reader_url
from web_desk import SECRET, file_link, preview_link, sha256
from web_visitor import TOKEN, USER, Visitor, signed_in
from webhook_sender import Receiver, wait_for

from ibhelm_pipelines.access_log.entries import client_digest
from ibhelm_pipelines.access_log.storing import FOLDER, open_access_log
from ibhelm_pipelines.cli import main
from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.mcp_server.archive import open_archive
from ibhelm_pipelines.mcp_server.projects import Projects
from ibhelm_pipelines.mcp_server.questions import Reader
from ibhelm_pipelines.mcp_server.readings import Readings
from ibhelm_pipelines.mcp_server.server import new_server
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.search.documents import index_documents
from ibhelm_pipelines.settings import Settings

LETTER = "Die Kündigung der Wartung wird bestätigt.".encode()
FOLDER_OF_FILES = "A/2301 Kita"
ADDRESS = "10.9.8.7"
SEARCHED = "Kündigung"


@pytest.fixture(scope="module")
def owner_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    name = f"read_{uuid.uuid4().hex}"
    databases.create(postgres, name, template="template_ibhelm")
    yield postgres.url(name)
    tables.close()
    databases.drop(postgres, name)


@pytest.fixture(scope="module")
def office(
    owner_url: str, postgres: EmbeddedPostgres, s3: EmbeddedS3, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """Two files that can be found and opened."""
    folder = tmp_path_factory.mktemp("office")
    (folder / "nas").mkdir()
    (folder / "nas" / ".ibhelm-share").write_text("test share\n", encoding="utf-8")
    name = owner_url.rpartition("/")[2]
    settings = Settings(
        _env_file=None,
        nas_root=folder / "nas",
        state_dir=folder / "state",
        database_url=SecretStr(postgres.url(name, user="ibhelm_pipeline", password="password of the tests")),
        reader_database_url=SecretStr(reader_url(owner_url)),
        s3_endpoint=s3.endpoint,
        s3_bucket=s3.bucket,
        web_secret=SecretStr(SECRET),
        api_token=SecretStr(TOKEN),
    )
    nas = Nas(settings)
    nas.write(f"{FOLDER_OF_FILES}/Brief.txt", LETTER)
    for name in ("Notiz", "Liste"):
        nas.write(f"{FOLDER_OF_FILES}/{name}.txt", f"Etwas anderes, {name}.".encode())
    scan(settings)
    for step in ("store", "thumbnail", "text"):
        run_step(step, settings)
    index_documents(settings)
    return settings


def item(office: Settings, name: str) -> str:
    [(number,)] = tables.ask(office.require_database_url(), "select id from files where name = %s", f"{name}.txt")
    return f"file:{number}"


@pytest.fixture(scope="module")
def letter(office: Settings) -> str:
    return item(office, "Brief")


@pytest.fixture(autouse=True)
def _nothing_read_yet(owner_url: str) -> None:
    tables.ask(owner_url, "truncate ops.access_log")


@pytest.fixture(scope="module")
def web(office: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[web_desk.Gateway]:
    with web_visitor.running(office, tmp_path_factory.mktemp("web")) as web:
        yield web


def entries(url: str, columns: str) -> list[tuple[Any, ...]]:
    return tables.ask(url, f"select {columns} from ops.access_log order by at, id")


def wait_for_entries(url: str, columns: str, wanted: list[tuple[Any, ...]]) -> None:
    try:
        wait_for(lambda: entries(url, columns) == wanted)
    finally:
        assert entries(url, columns) == wanted


def document_of(office: Settings, letter: str) -> int:
    query = "select id from search.documents where kind = 'file' and item_id = %s"
    [(number,)] = tables.ask(office.require_database_url(), query, int(letter.split(":")[1]))
    return number


def test_a_link_says_what_was_read_and_from_where(web: web_desk.Gateway, office: Settings, owner_url: str) -> None:
    content = sha256(LETTER)
    assert web.get(file_link(content), X_Forwarded_For=ADDRESS).body == LETTER
    assert web.get(file_link(content), X_Forwarded_For=ADDRESS, Range="bytes=0-4").status == 206
    assert web.get(preview_link(content), X_Forwarded_For=ADDRESS).status == 200
    assert web.get(file_link(content)[:-9] + "x/plan.pdf", X_Forwarded_For=ADDRESS).status == 404
    client = client_digest(SECRET, ADDRESS, dt.datetime.now(dt.UTC).date())
    wait_for_entries(
        owner_url,
        "way, action, who, client, content_hash, items, outcome, status",
        [
            ("link", "download", None, client, content, [], "allowed", 200),
            ("link", "preview", None, client, content, [], "allowed", 200),
            ("link", "download", None, client, None, [], "denied", 404),
        ],
    )


def test_nothing_is_written_of_what_gives_nothing(web: web_desk.Gateway, owner_url: str) -> None:
    content = sha256(LETTER)
    tag = web.get(file_link(content), X_Forwarded_For="10.1.1.1").headers["etag"]
    web.get(file_link(content), method="HEAD", X_Forwarded_For="10.1.1.2")
    assert web.get(file_link(content), If_None_Match=tag, X_Forwarded_For="10.1.1.3").status == 304
    assert web.get(file_link("0" * 64), X_Forwarded_For="10.1.1.4").status == 404
    wait_for(lambda: len(entries(owner_url, "at")) == 1)
    web.get("/healthz")
    assert web.get(preview_link(content), X_Forwarded_For="10.1.1.5").status == 200
    wait_for_entries(owner_url, "action", [("download",), ("preview",)])


def test_who_is_signed_in_is_named_at_links_too(web: web_desk.Gateway, owner_url: str) -> None:
    visitor = signed_in(web, "10.2.2.2")
    visitor.get(file_link(sha256(LETTER)))
    wait_for_entries(owner_url, "who, way, action", [(USER, "link", "download")])
    visitor.post("/logout")
    visitor.cookie = "e30=.forged.signature"
    visitor.get(preview_link(sha256(LETTER)))
    wait_for_entries(owner_url, "who, action", [(USER, "download"), (None, "preview")])


def test_the_page_and_the_api_say_what_they_showed(
    web: web_desk.Gateway, office: Settings, owner_url: str, letter: str
) -> None:
    visitor, document = signed_in(web, "10.3.3.3"), document_of(office, letter)
    assert "Brief.txt" in visitor.get("/", params={"q": SEARCHED}).text
    assert visitor.get(f"/api/documents/{document}").status_code == 200
    assert visitor.get("/api/suggest", params={"q": "Künd"}).status_code == 200
    assert visitor.get("/", params={"q": "gibtesnirgends"}).status_code == 200
    script = Visitor(web, "10.3.3.4")
    for token, status in ((TOKEN, 200), ("a wrong token", 401)):
        headers = {"Authorization": f"Bearer {token}"}
        assert script.get("/api/search", params={"q": SEARCHED}, headers=headers).status_code == status
    wait_for_entries(
        owner_url,
        "way, action, who, items, outcome, status",
        [
            ("page", "search", USER, [letter], "allowed", 200),
            ("api", "read", USER, [letter], "allowed", 200),
            ("api", "search", "API", [letter], "allowed", 200),
            ("api", "read", None, [], "denied", 401),
        ],
    )


def test_what_is_like_a_document_is_read_too(
    web: web_desk.Gateway, office: Settings, owner_url: str, letter: str
) -> None:
    visitor = signed_in(web, "10.3.4.4")
    assert visitor.get("/", params={"open": document_of(office, letter)}).status_code == 200
    wait_for(lambda: entries(owner_url, "action") != [])
    assert ("read",) in entries(owner_url, "action")


def test_nothing_that_was_searched_and_no_secret_is_anywhere(
    web: web_desk.Gateway, office: Settings, owner_url: str, tmp_path: Path
) -> None:
    visitor = signed_in(web, "10.4.4.4")
    word = "Geheimwort4711"
    visitor.get("/", params={"q": f"{word} OR {SEARCHED}"})
    wait_for(lambda: entries(owner_url, "action") == [("search",)])
    found = "\n".join(row for (row,) in tables.ask(owner_url, "select l::text from ops.access_log l"))
    for each in (word, SEARCHED, "10.4.4.4", TOKEN, SECRET, web_visitor.PASSWORD, visitor.cookie):
        assert each not in found
        assert not [line for line in web.log if each in line and "sign_in_refused" not in line]


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Nobody can write a new file there; for root rights do not count, so the folder is in the way of itself."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.write_bytes(b"")
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


def test_what_cannot_be_written_down_is_not_given(office: Settings, letter: str, tmp_path: Path) -> None:
    with web_visitor.running(office, tmp_path) as web:
        visitor, content = signed_in(web), sha256(LETTER)
        with full_disk(tmp_path / "state" / FOLDER):
            page = web.get(file_link(content))
            assert (page.status, LETTER in page.body, page.headers["retry-after"]) == (503, False, "10")
            assert web.get(file_link(content), Range="bytes=0-3").status == 503
            found = visitor.get("/api/search", params={"q": SEARCHED})
            assert (found.status_code, "Brief" in found.text) == (503, False)
        assert web.get(file_link(content)).body == LETTER
        assert "Brief" in visitor.get("/api/search", params={"q": SEARCHED}).text


def test_an_assistant_says_what_it_read(office: Settings, owner_url: str, letter: str, tmp_path: Path) -> None:
    note, other, settings = (
        item(office, "Notiz"),
        item(office, "Liste"),
        office.model_copy(update={"state_dir": tmp_path}),
    )
    reader = Reader(settings)
    with open_archive(settings) as archive, open_access_log(settings) as log:
        readings = Readings(log, "lena@server", reader)
        with assistant_in_process(new_server(archive, Projects(archive), reader, readings)) as assistant:
            assistant.call("search", query=SEARCHED)
            assistant.call("get_item", id=letter)
            assistant.call("sql", query="select id, name from files where name like '%Brief%'")
            assistant.call("sql", query="select 'contacts Müller' where false")
            assistant.call("schema")
            assistant.refused("list_project", number_or_name="gibt es nicht")
            assistant.do("read_resource", f"ibhelm://{note.replace(':', '/')}")
            wait_for_entries(
                owner_url,
                "way, action, who, items, row_count",
                [
                    ("mcp", "search", "lena@server", [letter], None),
                    ("mcp", "read", "lena@server", [letter], None),
                    ("mcp", "sql", "lena@server", ["table:files"], 1),
                    ("mcp", "sql", "lena@server", ["table:contacts"], 0),
                    ("mcp", "read", "lena@server", [note], None),
                ],
            )
            with full_disk(tmp_path / FOLDER):
                refused = assistant.refused("get_item", id=other)
                with pytest.raises(MCPError, match="AccessNotLoggedError"):
                    assistant.do("read_resource", f"ibhelm://{other.replace(':', '/')}")
    assert refused.startswith("AccessNotLoggedError")


def run(settings: Settings, *arguments: str) -> Result:
    given = {**environment_of(settings), "IBHELM_WEB_SECRET": SECRET}
    kept = {**{name: None for name in os.environ if name.startswith("IBHELM_")}, **given}
    return CliRunner(env=kept).invoke(main, ["access-log", *arguments])


def plant(url: str, **values: object) -> None:
    row = {"way": "page", "action": "read", "outcome": "allowed", "status": 200, "at": "2026-03-05 10:00Z", **values}
    names = ", ".join(row)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            f"insert into ops.access_log (id, {names}) values (gen_random_uuid(), {', '.join(['%s'] * len(row))})",  # type: ignore[arg-type]
            list(row.values()),
        )


def test_the_command_shows_who_read_what_and_notes_that_it_was_asked(
    office: Settings, owner_url: str, letter: str
) -> None:
    plant(owner_url, who="Lena@buero.de", items=[letter], client="abc")
    plant(owner_url, who="otto@buero.de", items=["email:5"], at="2026-03-07 10:00Z")
    plant(owner_url, way="link", action="download", content_hash=sha256(LETTER), client=client_digest(
        SECRET, ADDRESS, dt.datetime.now(dt.UTC).date()), at=dt.datetime.now(dt.UTC))  # fmt: skip
    plant(owner_url, way="link", action="download", outcome="denied", status=404)

    def shown(*arguments: str) -> list[dict[str, Any]]:
        result = run(office, "--json", *arguments)
        assert result.exit_code == 0, result.output
        return [found for found in map(json.loads, result.output.splitlines()) if found["action"] != "access log"]

    path = f"{FOLDER_OF_FILES}/Brief.txt"
    assert len(shown()) == 4
    [lenas] = shown("--person", "LENA@buero.de")
    assert (lenas["items"], lenas["paths"]) == ([letter], [path])
    assert [each["action"] for each in shown("--file", path)] == ["download", "read"]
    assert len(shown("--file", FOLDER_OF_FILES)) == 2
    assert shown("--file", "A/2301_Kita") == []
    assert [each["action"] for each in shown("--client", ADDRESS)] == ["download"]
    assert len(shown("--since", "2026-03-06", "--until", "2026-03-08")) == 1
    assert len(shown("--limit", "1")) <= 1
    table = run(office)
    for said in ("Lena@buero.de", "somebody with the link", "denied (404)", "nobody known"):
        assert said in table.output.replace("\n", " ") or said.split()[0] in table.output
    assert run(office, "--person", "niemand").output.startswith("Nothing of the kind")
    asked = tables.ask(owner_url, "select who, items from ops.access_log where action = 'access log'")
    assert len(asked) == 10
    assert {tuple(items) for _, items in asked} == {(), ("person LENA@buero.de",), ("person niemand",)}
    assert all("@" in who for who, _ in asked)


def test_a_network_address_cannot_be_looked_for_without_the_secret(office: Settings) -> None:
    kept = {**{name: None for name in os.environ if name.startswith("IBHELM_")}, **environment_of(office)}
    result = CliRunner(env=kept).invoke(main, ["access-log", "--client", ADDRESS])
    assert (result.exit_code, "IBHELM_WEB_SECRET" in result.output) == (1, True)


def test_over_http_an_assistant_is_the_token(office: Settings, owner_url: str, letter: str) -> None:
    server = Receiver(environment_of(office), command="mcp", arguments=("--http", "0"))
    server.start()
    try:
        with assistant_over_http(server.url, TOKEN) as assistant:
            assistant.call("get_item", id=letter)
    finally:
        server.stop()
    wait_for_entries(owner_url, "way, action, who, items", [("mcp", "read", "API", [letter])])
