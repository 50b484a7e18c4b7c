"""The JSON API: what it returns is what its description says, and nothing that is typed does any harm."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import databases
import jsonschema
import psycopg
import pytest
import requests
import tables
import web_desk
import web_visitor
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examined
from hypothesis import strategies as st
from nas_tree import Nas
from pydantic import SecretStr
from web_visitor import TOKEN, Visitor, signed_in

from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.search.documents import index_documents
from ibhelm_pipelines.settings import Settings

HOSTILE_NAME = "<img src=x onerror=alert(1)> Brandschutzklappe.txt"
HOSTILE_TEXT = "Brandschutzklappe <script>alert('x')</script> {{ 7*7 }} ' or 1=1 -- \N{RIGHT-TO-LEFT OVERRIDE}fdp.exe"


@pytest.fixture(scope="module")
def office(postgres: EmbeddedPostgres, s3: EmbeddedS3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Some files that were read and can be found, one with a name and a text that try to be more."""
    name = f"api_{uuid.uuid4().hex}"
    databases.create(postgres, name, template="template_ibhelm")
    folder = tmp_path_factory.mktemp("office")
    (folder / "nas").mkdir()
    (folder / "nas" / ".ibhelm-share").write_text("test share\n", encoding="utf-8")
    settings = Settings(
        _env_file=None,
        nas_root=folder / "nas",
        state_dir=folder / "state",
        database_url=SecretStr(postgres.url(name, user="ibhelm_pipeline", password="password of the tests")),
        s3_endpoint=s3.endpoint,
        s3_bucket=s3.bucket,
        web_secret=SecretStr(web_desk.SECRET),
        nas_url="smb://nas.example/share",
    )
    nas = Nas(settings)
    nas.write(f"A/2301 Kita/{HOSTILE_NAME}", HOSTILE_TEXT)
    for number in range(12):
        nas.write(f"A/2301 Kita/Protokoll {number}.txt", f"Die Lüftungsanlage Nummer {number} wird abgenommen.")
    scan(settings)
    run_step("store", settings)
    run_step("text", settings)
    index_documents(settings)
    yield settings
    tables.close()
    databases.drop(postgres, name)


@pytest.fixture(scope="module")
def web(office: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[web_desk.Gateway]:
    with web_visitor.running(office, tmp_path_factory.mktemp("api"), NAS_URL=office.nas_url) as web:
        yield web


@pytest.fixture(scope="module")
def visitor(web: web_desk.Gateway) -> Visitor:
    return signed_in(web)


class Script:
    """A script with the token; asks slowly enough for no limit to matter."""

    def __init__(self, web: web_desk.Gateway) -> None:
        self._web = Visitor(web)
        self.description: dict[str, Any] = self.ask("GET", "/api/openapi.json").json()

    def ask(self, method: str, path: str, **values: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {TOKEN}", **values.pop("headers", {})}
        while (answer := self._web.ask(method, path, headers=headers, **values)).status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
        return answer

    def described(self, method: str, path: str, template: str | None = None, **values: Any) -> requests.Response:
        """Ask, and hold the answer against the description, word for word: what it does not name must not be there."""
        answer = self.ask(method, path, **values)
        operation = self.description["paths"][template or path][method.lower()]
        said = operation["responses"][str(answer.status_code)]
        if "content" not in said:
            assert answer.content == b""
            return answer
        schema = {
            **_closed(said["content"]["application/json"]["schema"]),
            "components": _closed(self.description["components"]),
        }
        jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(answer.json())
        assert answer.headers["content-type"] == "application/json"
        return answer


def _closed(schema: Any) -> Any:
    """Return a schema in which objects have no properties but those that are named, and arrays no more items."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(each) for name, each in schema.items()}
    return {**closed, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else closed


@pytest.fixture(scope="module")
def script(web: web_desk.Gateway) -> Script:
    return Script(web)


def test_the_description_is_a_good_one_and_names_every_address(script: Script) -> None:
    described = script.description
    assert described["openapi"].startswith("3.1")
    jsonschema.Draft202012Validator.check_schema({"$defs": described["components"]["schemas"]})
    text = json.dumps(described)
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert names <= described["components"]["schemas"].keys()
    from ibhelm_pipelines.web.api import Api

    routes = {re.sub(r":\w+", "", route.path) for route in Api(None, None).routes()}  # type: ignore[arg-type]
    assert set(described["paths"]) == routes - {"/api", "/api/openapi.json", "/api/{rest}"}


def test_every_answer_is_as_it_is_described(script: Script) -> None:
    found = script.described("GET", "/api/search", params={"q": "Brandschutzklappe"}).json()
    [hit] = [hit for hit in found["hits"] if hit["title"] == HOSTILE_NAME]
    assert hit["because"]
    assert hit["folder_url"].startswith("smb://nas.example/share/")
    one = f"/api/documents/{hit['document_id']}"
    detail = script.described("GET", one, "/api/documents/{id}").json()
    assert detail["body"] == HOSTILE_TEXT
    script.described("GET", f"{one}/similar", "/api/documents/{id}/similar")
    script.described("GET", "/api/suggest", params={"q": "Brandsch"})
    for refused in ({}, {"q": "x", "limit": "0"}, {"q": "x" * 2001}):
        assert script.described("GET", "/api/search", params=refused).status_code == 422
    assert script.described("GET", "/api/documents/99999999", "/api/documents/{id}").status_code == 404


def test_pages_follow_each_other_without_a_gap_and_without_a_repetition(script: Script) -> None:
    seen: list[int] = []
    cursor = None
    while True:
        page = script.described(
            "GET", "/api/search", params={"q": "Lüftungsanlage", "limit": 5, "cursor": cursor}
        ).json()
        seen += [hit["document_id"] for hit in page["hits"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) >= 12


def test_saved_searches_are_kept_for_all_until_somebody_deletes_them(script: Script, visitor: Visitor) -> None:
    saved = script.described("POST", "/api/saved", json={"name": " Klappen <b> ", "query": "Brandschutzklappe kg:434"})
    assert saved.status_code == 201
    assert saved.json()["name"] == "Klappen <b>"
    assert script.described("POST", "/api/saved", json={"name": "Klappen <b>", "query": "x"}).status_code == 409
    assert script.described("GET", "/api/saved").json() == {"searches": [saved.json()]}
    assert visitor.get("/api/saved").json() == {"searches": [saved.json()]}
    page = visitor.get("/").text
    assert "Klappen &lt;b&gt;" in page
    assert "<b>" not in page
    one = f"/api/saved/{saved.json()['id']}"
    token = {"X-CSRF-Token": visitor.csrf}
    assert visitor.ask("DELETE", one, headers=token).status_code == 204
    assert script.described("DELETE", one, "/api/saved/{id}").status_code == 404
    assert visitor.get("/api/saved").json() == {"searches": []}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b'{"name": "a"}', b'{"name": "", "query": "x"}', b'{"name": "a", "query": " "}',
     b'{"name": 1, "query": "x"}', b'{"name": "a\\u0000", "query": "x"}', b'{"name": "a", "query": "\\ud800"}',
     b'{"name": "a", "query": "x\\ny"}', b"\xff\xfe", b"[" * 60_000,
     json.dumps({"name": "a" * 101, "query": "x"}).encode(),
     json.dumps({"name": "a", "query": "x" * 2001}).encode(), b'{"name": "a\xe2\x80\xae", "query": "x"}'],
)  # fmt: skip
def test_what_is_no_search_is_not_saved(script: Script, body: bytes) -> None:
    answer = script.described("POST", "/api/saved", data=body)
    assert answer.status_code == 422
    assert answer.json()["error"].endswith(".")
    assert script.ask("GET", "/api/saved").json() == {"searches": []}


INERT = [
    "'; drop table search.documents; --", "' or 1=1 --", "1); select pg_sleep(60); --", "%' or '%'='", "\\'; --",
    "$$ $1 %s %(name)s {0}", "a & | ! ( ) : * <-> '", "!!!", "((((((((", ":*", "a:*", "foo:ABCD", "'a' <2> 'b'",
    "& | !", '"', '"""', '"Brand', "-", "- -", "OR", "OR OR OR", "projekt:", "projekt:'", "projekt:1e999",
    "kg:99999999999999999999", "seit:0000-00-00", "seit:99999-01-01", "bis:heute'", "jahr:-1", "typ:\"",
    "<script>alert(1)</script>", "{{ 7*7 }}", "{% raw %}", "\0", "a\0b", "\ud800", "\udfff x", "\u202e", "\ufeff",
    "\uffff", "\U0010ffff", "💣" * 500, "ä" * 2000, "-" * 2000, '"' * 2000, "(" * 2000, "a " * 1000, "a OR " * 400,
    "x:" * 1000, "%", "_", "\\", "\\\\", "../../etc/passwd", "${jndi:ldap://x}", "\r\nSet-Cookie: a=b",
    "\t\n\x0b\x0c\r\x1b\x7f", "NULL", "true", "0", "-1", "",
]  # fmt: skip


@pytest.mark.parametrize("typed", INERT, ids=range(len(INERT)))
def test_whatever_is_typed_is_only_looked_for(script: Script, office: Settings, typed: str) -> None:
    asked = {"q": typed.encode("utf-8", "surrogatepass")}
    for path in ("/api/search", "/api/suggest"):
        assert script.described("GET", path, params=asked).status_code == 200, path
    with psycopg.connect(office.require_database_url()) as connection:
        assert connection.execute("select count(*) from search.documents").fetchone() == (13,)


@given(text=st.text(max_size=200), cursor=st.one_of(st.none(), st.text(max_size=40)))
@example(text="Lüftung", cursor="WzEsIDFd")
@example(text="Lüftung", cursor="Wy0xLCAtMV0=")
@example(text="Lüftung", cursor="W1tbW1tbW1tb")
@example(text="Lüftung", cursor="WzFlOTk5LCAxXQ==")
@examined(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_query_and_no_cursor_is_an_error(script: Script, text: str, cursor: str | None) -> None:
    asked = {"q": text.encode("utf-8", "surrogatepass"), "cursor": (cursor or "").encode("utf-8", "surrogatepass")}
    assert script.ask("GET", "/api/search", params=asked).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/search", 422),
        ("/api/suggest", 422),
        ("/api/search?q=x&limit=101", 422),
        ("/api/search?q=x&limit=", 422),
        ("/api/search?q=x&limit=-1", 422),
        ("/api/search?q=x&limit=1e1", 422),
        ("/api/search?q=x&limit=%D9%A1", 422),  # a digit, but none of ours
        ("/api/search?q=x&limit=" + "9" * 5000, 422),
        ("/api/suggest?q=" + "x" * 2001, 422),
        ("/api/documents/0", 404),
        ("/api/documents/-1", 404),
        ("/api/documents/9223372036854775808", 404),
        ("/api/documents/" + "9" * 5000, 404),
        ("/api/documents/1%00", 404),
        ("/api/documents/1/similar?limit=x", 422),
        ("/api/documents/9223372036854775808/similar", 404),
        ("/api/documents/abc", 404),
        ("/api/nothing", 404),
        ("/api/", 404),
        ("/api/search/", 404),
    ],
)
def test_what_is_asked_wrongly_is_told_so_in_a_sentence(script: Script, path: str, status: int) -> None:
    answer = script.ask("GET", path)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert re.fullmatch(r"[A-Z].*[.!]", answer.json()["error"])


def test_addresses_and_bodies_of_any_length_are_refused_and_the_server_lives_on(
    web: web_desk.Gateway, script: Script
) -> None:
    long = script.ask("GET", "/api/search", params={"q": "x" * 50_000})
    assert (long.status_code, long.json()["status"]) == (422, 422)
    for length in (100_000, 3_000_000):
        start = b"GET /api/search?q=" + b"x" * length + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        answer = web.raw(start + b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n")
        assert answer[:13] in (b"HTTP/1.1 400 ", b"HTTP/1.1 422 ", b"")
    assert script.ask("POST", "/api/saved", data=b"x" * 100_000).status_code == 413
    assert script.ask("GET", "/api/search?q=x").status_code == 200


def test_methods_that_change_nothing_here_are_refused(script: Script, visitor: Visitor) -> None:
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        assert script.ask(method, "/api/search?q=x").status_code == 405
    assert (
        visitor.get("/api/search?q=x", headers={"Origin": "https://evil.example"})
        .headers.keys()
        .isdisjoint({"access-control-allow-origin", "access-control-allow-credentials"})
    )


def test_the_token_opens_the_api_only(web: web_desk.Gateway) -> None:
    visitor = Visitor(web, "10.40.0.1")
    for given_token, status in ((TOKEN, 200), (TOKEN + "x", 401), (TOKEN[:-1], 401), ("", 401), ("ü", 401)):
        headers = {"Authorization": f"Bearer {given_token}".encode()}
        assert visitor.get("/api/saved", headers=headers).status_code == status
    assert visitor.get("/", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 303
    assert visitor.get("/api/saved", headers={"Authorization": f"Basic {TOKEN}"}).status_code == 401
    assert visitor.get(f"/api/saved?token={TOKEN}").status_code == 401
    assert visitor.get("/api/saved").headers["www-authenticate"].startswith("Bearer")


def test_one_session_that_asks_too_often_waits_and_the_others_do_not(web: web_desk.Gateway) -> None:
    busy, other = signed_in(web, "10.40.0.2"), signed_in(web, "10.40.0.3")
    answers = (busy.get("/api/suggest?q=") for _ in range(3000))
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["error"] == "Zu viele Anfragen auf einmal. Bitte in 1 s noch einmal versuchen."
    assert refused.headers["retry-after"] == "1"
    assert other.get("/api/suggest?q=").status_code == 200
    assert busy.get("/api/search?q=x").status_code == 200, "completions took what is there for searching"


def test_the_page_about_the_api_names_every_address(visitor: Visitor, script: Script) -> None:
    page = visitor.get("/api").text
    assert [path for path in script.description["paths"] if path not in page] == []


def test_hostile_names_and_texts_stay_text_on_the_page(visitor: Visitor, script: Script) -> None:
    hits = script.ask("GET", "/api/search", params={"q": "Brandschutzklappe"}).json()["hits"]
    found = next(hit["document_id"] for hit in hits if hit["title"] == HOSTILE_NAME)
    for path in ("/?q=Brandschutzklappe", f"/?q=Brandschutzklappe&doc={found}", "/?q=<script>alert(1)</script>&doc=1'"):
        page = visitor.get(path)
        assert page.status_code in (200, 404)
        assert "<img src=x" not in page.text
        assert "<script>alert" not in page.text
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page.text
