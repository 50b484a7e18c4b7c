"""Signing in with the office's account, sessions, and what every page keeps from whoever is not signed in."""

from __future__ import annotations

import base64
import json
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import databases
import itsdangerous
import psycopg
import pytest
import requests
import web_desk
import web_visitor
from pydantic import SecretStr
from web_visitor import COOKIE, PASSWORD, TOKEN, USER, Visitor, signed_in
from webhook_sender import wait_for

from ibhelm_pipelines.local.entrance import Account, entrance, session_key
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.web.api import Api
from ibhelm_pipelines.web.guard import OPEN, local_path
from ibhelm_pipelines.web.pages import SearchPages
from ibhelm_pipelines.web.sign_in import SignInForm, SignOut


@pytest.fixture(scope="module")
def settings_of_web(postgres: EmbeddedPostgres, s3: EmbeddedS3) -> Iterator[Settings]:
    name = f"door_{uuid.uuid4().hex}"
    databases.create(postgres, name, template="template_ibhelm")
    url = postgres.url(name, user="ibhelm_pipeline", password="password of the tests")
    yield Settings(_env_file=None, s3_endpoint=s3.endpoint, s3_bucket=s3.bucket, database_url=SecretStr(url))
    databases.drop(postgres, name)


@pytest.fixture(scope="module")
def web(settings_of_web: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[web_desk.Gateway]:
    """One server for all tests that leave it alive; each takes an address of its own, for limits are kept by it."""
    with web_visitor.running(settings_of_web, tmp_path_factory.mktemp("door")) as web:
        yield web


@pytest.fixture
def visitor(web: web_desk.Gateway, address: str) -> Visitor:
    return Visitor(web, address)


@pytest.fixture
def address() -> str:
    number = uuid.uuid4().int
    return f"10.{number % 250}.{number // 250 % 250}.{number // 62500 % 250}"


def all_routes() -> list[tuple[str, str]]:
    """Every method and address behind the door, read from the code, so that a new one is among them."""
    way = Account(user=USER, password=PASSWORD)
    pages = SearchPages(None, None, address="", csrf=None).routes()  # type: ignore[arg-type]  # asked for routes only
    routes = [*pages, *Api(None, None).routes(), *SignInForm(way, None, None).routes(), *SignOut(None).routes()]  # type: ignore[arg-type]
    found = [(method, re.sub(r"{[^}]*}", "1", route.path)) for route in routes for method in route.methods or ()]
    assert len(found) > 12
    return sorted(found)


def test_nobody_sees_anything_before_signing_in(visitor: Visitor) -> None:
    for method, path in all_routes():
        if path in OPEN:
            continue
        answer = visitor.ask(method, path)
        if path.startswith("/api/"):
            assert (answer.status_code, method, path) == (401, method, path)
            assert method == "HEAD" or answer.json() == {"status": 401, "error": "Bitte anmelden."}
        else:
            assert (answer.status_code, method, path) == (303, method, path)
            assert answer.headers["location"].startswith("/login")


def test_who_knows_name_and_password_comes_in_and_to_the_page_that_was_wanted(visitor: Visitor) -> None:
    sent = visitor.get("/?q=Brandschutz+DN 50&art=Datei").headers["location"]
    assert sent == "/login?next=/%3Fq%3DBrandschutz%2BDN%252050%26art%3DDatei"
    form = visitor.get(sent)
    assert form.status_code == 200
    assert 'value="/?q=Brandschutz+DN%2050&amp;art=Datei"' in form.text
    assert not visitor.is_in()
    came = visitor.post("/login", user=f" {USER} ", password=PASSWORD, next="/api?x=1")
    assert (came.status_code, came.headers["location"]) == (303, "/api?x=1")
    assert visitor.is_in()
    assert visitor.get("/login?next=/api").headers["location"] == "/api"


@pytest.mark.parametrize(
    ("user", "password"),
    [(USER, ""), (USER, PASSWORD + " "), (USER, PASSWORD.upper()), ("admin", PASSWORD), ("", PASSWORD),
     (PASSWORD, USER), (USER + "\0", PASSWORD), (USER, "\ud800"), (USER, "x" * 50_000)],
)  # fmt: skip
def test_whoever_knows_less_does_not_and_learns_nothing(visitor: Visitor, user: str, password: str) -> None:
    visitor.get("/login")
    answer = visitor.ask("POST", "/login", data={
        "csrf": visitor.csrf, "user": user, "password": password.encode("utf-8", "surrogatepass"), "next": "/",
    })  # fmt: skip
    assert answer.status_code == 403
    assert "Name oder Passwort stimmt nicht." in answer.text
    assert not visitor.is_in()


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: Visitor) -> None:
    visitor.get("/login")
    came = visitor.post("/login", user=USER, password=PASSWORD, next="/")
    name, *attributes = came.headers["set-cookie"].split("; ")
    assert name.startswith(f"{COOKIE}=")
    assert {each.lower() for each in attributes} == {"path=/", "max-age=43200", "httponly", "samesite=lax"}


ELSEWHERE = [
    "https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
    "http:evil.example", "javascript:alert(1)", " //evil.example", "/\t/evil.example", "/\n/evil.example",
    "/%0d%0aSet-Cookie: a=b\r\nX: y", "evil.example", "", "/login", "/login?next=/login", "/logout", "/" + "a" * 5000,
    "data:text/html,x", "/\u2028/x", "/\x00",
]  # fmt: skip


@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_signing_in_never_leads_to_another_site(web: web_desk.Gateway, wanted: str) -> None:
    assert local_path(wanted) == "/"
    visitor = Visitor(web, f"10.99.0.{ELSEWHERE.index(wanted)}")
    assert visitor.sign_in(wanted=wanted).headers["location"] == "/"


def test_nothing_of_a_session_from_before_signing_in_is_worth_anything_afterwards(
    web: web_desk.Gateway, visitor: Visitor
) -> None:
    visitor.get("/login")
    planted, planted_token = visitor.cookie, visitor.csrf
    visitor.post("/login", user=USER, password=PASSWORD, next="/")
    assert visitor.csrf != planted_token
    attacker = Visitor(web)
    attacker.cookie = planted
    assert not attacker.is_in()
    refused = visitor.ask("POST", "/saved-searches", data={"csrf": planted_token, "name": "a", "query": "b"})
    assert refused.status_code == 403


def test_signing_out_ends_the_session_for_every_copy_of_its_cookie(web: web_desk.Gateway, visitor: Visitor) -> None:
    visitor.sign_in()
    thief = Visitor(web)
    thief.cookie = visitor.cookie
    assert thief.is_in()
    other = signed_in(web, "10.98.0.1")
    assert visitor.get("/logout").status_code == 405
    assert visitor.ask("POST", "/logout").status_code == 403
    assert visitor.post("/logout").headers["location"] == "/login"
    assert (visitor.is_in(), thief.is_in(), other.is_in()) == (False, False, True)


def test_no_other_site_can_post_anything_in_somebodys_name(web: web_desk.Gateway, visitor: Visitor) -> None:
    visitor.sign_in()
    stranger = Visitor(web)
    stranger.get("/login")
    for path in [path for method, path in all_routes() if method == "POST"]:
        for token in ("", "x", stranger.csrf, visitor.csrf[:-1], "ü"):
            assert visitor.ask("POST", path, data={"csrf": token}).status_code == 403
            assert visitor.ask("POST", path, headers={"X-CSRF-Token": token.encode()}).status_code == 403
        for kind in ("text/plain", "multipart/form-data; boundary=x", "application/json"):
            body = f"csrf={visitor.csrf}&name=a&query=b"
            assert visitor.ask("POST", path, data=body, headers={"Content-Type": kind}).status_code == 403
    assert visitor.ask("DELETE", "/api/saved/1").status_code == 403
    assert Visitor(web).ask("POST", "/login", data={"user": USER, "password": PASSWORD}).status_code == 403
    assert visitor.get("/api/saved").json() == {"searches": []}, "something was saved after all"


def test_another_password_ends_every_session(
    settings_of_web: Settings, web: web_desk.Gateway, visitor: Visitor, tmp_path: Path
) -> None:
    visitor.sign_in()
    assert visitor.is_in()
    with web_visitor.running(settings_of_web, tmp_path, WEB_PASSWORD=PASSWORD + "8") as changed:
        late = Visitor(changed)
        late.cookie = visitor.cookie
        assert not late.is_in()
        assert late.sign_in(PASSWORD + "8").status_code == 303
    visitor.cookie = late.cookie
    assert not visitor.is_in()


def forge(key: str, *, signed_ago: int = 0, **changed: object) -> str:
    """Make a cookie as the server does, with another key, at another time, or saying something else."""
    session = {"name": USER, "account": USER, "id": "a session", "until": time.time() + 100, "csrf": "x", **changed}

    class Signer(itsdangerous.TimestampSigner):
        def get_timestamp(self) -> int:
            return int(time.time()) - signed_ago

    return Signer(key).sign(base64.b64encode(json.dumps(session).encode())).decode()


def test_a_cookie_counts_only_with_our_signature_and_for_twelve_hours(
    settings_of_web: Settings, web: web_desk.Gateway, visitor: Visitor
) -> None:
    ours = {"web_user": USER, "web_password": SecretStr(PASSWORD)}
    key = session_key(web_desk.SECRET, entrance(settings_of_web.model_copy(update=ours)))
    rightly_made = forge(key)
    payload, *signature = rightly_made.split(".")
    cookies = {
        rightly_made: True,  # so that the others are refused for what they are
        forge(web_desk.SECRET): False,
        forge(key, until=time.time() - 1): False,
        forge(key, signed_ago=12 * 3600 + 5): False,
        forge(key, signed_ago=-60): False,
        ".".join([payload[:-4] + "AAAA", *signature]): False,
        payload: False,
        "null": False,
        ".": False,
        "e30=" + rightly_made[10:]: False,
        "%00": False,
        "ü": False,
        "x" * 20_000: False,
    }
    found = {}
    for cookie in cookies:
        headers = {"Cookie": f"{COOKIE}={cookie}".encode()}
        found[cookie] = requests.get(f"{web.url}/api", headers=headers, allow_redirects=False).status_code == 200
    assert found == cookies


def test_a_guesser_is_slowed_down_and_the_others_are_not(web: web_desk.Gateway, visitor: Visitor) -> None:
    others = signed_in(web, "10.97.0.1")
    visitor.get("/login")
    answers = [visitor.post("/login", user=USER, password=f"guess {number}", next="/") for number in range(24)]
    assert {answer.status_code for answer in answers} == {403, 429}
    assert answers[-1].status_code == 429
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 10
    assert "Zu viele Anmeldeversuche." in answers[-1].text
    assert visitor.sign_in().status_code == 429, "the right password comes in while it should wait"
    assert others.is_in()
    assert Visitor(web, "10.97.0.2").sign_in().status_code == 303
    scripts = Visitor(web, "10.97.0.3")
    tries = [scripts.get("/api/saved", headers={"Authorization": f"Bearer {n}"}).status_code for n in range(24)]
    assert set(tries) == {401, 429}
    assert scripts.get("/api/saved", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_guessers_at_many_addresses_are_slowed_down_together_and_cookies_behind_https_never_travel_in_the_open(
    settings_of_web: Settings, tmp_path: Path
) -> None:
    with web_visitor.running(settings_of_web, tmp_path, WEB_URL="https://suche.buero.example") as web:
        page = Visitor(web).get("/login")
        guesser = Visitor(web)
        statuses = []
        for number in range(300):
            guesser.browser.headers["X-Forwarded-For"] = f"10.2.{number // 250}.{number % 250}"
            statuses.append(guesser.get("/api", headers={"Authorization": "Bearer x"}).status_code)
    assert statuses[-1] == 429
    assert statuses.count(401) < 290
    cookie = page.headers["set-cookie"].lower()
    assert cookie.startswith(f"__host-{COOKIE}=")
    assert "; secure" in cookie
    assert page.headers["strict-transport-security"] == "max-age=31536000"
    assert "img-src 'self' https://suche.buero.example;" in page.headers["content-security-policy"]


def test_every_page_tells_browsers_to_load_nothing_of_others_and_to_keep_nothing(visitor: Visitor) -> None:
    visitor.sign_in()
    paths = ["/", "/login", "/api", "/api/saved", "/api/nothing", "/api/openapi.json", "/logout", "/?q=x&doc=99999"]
    for answer in [visitor.get(path) for path in paths] + [visitor.ask("POST", "/logout")]:
        policy = dict(part.partition(" ")[::2] for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert {policy[name] for name in ("script-src", "style-src", "connect-src", "form-action")} == {"'self'"}
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "server" not in answer.headers
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", answer.text)


def test_styles_and_scripts_are_seen_by_everybody_and_nothing_beside_them(visitor: Visitor) -> None:
    links = re.findall(r'(?:src|href)="(/static/[^"]+)"', visitor.get("/login").text)
    assert len(links) >= 3
    for link in links:
        answer = visitor.get(link)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].split(";")[0] in {"text/css", "text/javascript", "image/svg+xml"}
        assert "set-cookie" not in answer.headers
    assert visitor.get("/static/htmx.min.js").headers["cache-control"] == "no-cache"
    beside = ["README.md", "..%2ftemplating.py", "../templating.py", "%2e%2e/pages.py", "htmx.min.js%00", "", "a/b"]
    assert {visitor.get(f"/static/{name}").status_code for name in beside} == {404}


def test_a_part_that_htmx_asks_for_takes_the_whole_page_to_the_form(visitor: Visitor) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "https://suche.buero.example/?q=Pumpe"}
    answer = visitor.get("/?q=Pump", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/login?next=/%3Fq%3DPumpe"
    headers["HX-Current-URL"] = "https://evil.example//evil.example/"
    assert visitor.get("/", headers=headers).headers["hx-redirect"] == "/login"


def test_a_body_without_end_is_not_read(visitor: Visitor) -> None:
    visitor.sign_in()
    answer = visitor.ask("POST", "/saved-searches", data={"csrf": visitor.csrf, "name": "x" * 70_000, "query": "y"})
    assert answer.status_code == 413


def test_without_a_password_the_pages_are_off_and_say_so_while_previews_go_on(
    settings_of_web: Settings, tmp_path: Path
) -> None:
    with web_desk.running(settings_of_web, tmp_path) as web:
        visitor = Visitor(web)
        for method, path in all_routes():
            if path not in OPEN:
                assert visitor.ask(method, path).status_code == 503, path
        page = visitor.get("/")
        assert "abgeschaltet, weil keine Anmeldung eingerichtet ist" in page.text
        assert visitor.get("/login").status_code == visitor.ask("POST", "/login").status_code == 404
        assert visitor.get("/api/saved", headers={"Authorization": "Bearer "}).status_code == 401
        assert visitor.get("/api/saved", headers={"Authorization": "Bearer None"}).status_code == 401
        content = web.put(b"a preview", "image/webp", kind="thumbnail")
        assert web.get(web_desk.preview_link(content)).status == 200
        [listening] = web.lines("web_listening")
        assert "neither a password nor an OpenID Connect issuer is set" in listening["pages"]
        with psycopg.connect(settings_of_web.require_database_url()) as connection:
            asked = "select state ->> 'problem' from ops.heartbeats where kind = 'web' and stopped_at is null"
            wait_for(lambda: "IBHELM_WEB_PASSWORD" in str(connection.execute(asked).fetchall()))


def test_pages_say_it_when_postgres_is_away_and_go_on_when_it_is_back(
    private_postgres: EmbeddedPostgres, s3: EmbeddedS3, tmp_path: Path
) -> None:
    from ibhelm_pipelines.db.migrations import migrate

    databases.run(private_postgres, psycopg.sql.SQL("create database office").format())
    url = private_postgres.url("office")
    migrate(url)
    settings = Settings(_env_file=None, s3_endpoint=s3.endpoint, s3_bucket=s3.bucket, database_url=SecretStr(url))
    with web_visitor.running(settings, tmp_path) as web:
        visitor = signed_in(web)
        assert visitor.get("/?q=Pumpe").status_code == 200
        private_postgres.stop()
        page, answer = visitor.get("/?q=Pumpe"), visitor.get("/api/search?q=Pumpe")
        assert (page.status_code, answer.status_code) == (503, 503)
        assert "Die Suche antwortet gerade nicht." in page.text
        assert answer.json()["error"].startswith("Die Suche antwortet gerade nicht.")
        assert page.headers["retry-after"] == "10"
        content = web.put(b"a preview", "image/webp", kind="thumbnail")
        assert web.get(web_desk.preview_link(content)).status == 200
        private_postgres.start()
        wait_for(lambda: visitor.get("/?q=Pumpe").status_code == 200)
        assert visitor.get("/api/search?q=Pumpe").status_code == 200


def test_what_is_searched_and_by_whom_is_not_in_the_log_but_who_was_refused_is(
    web: web_desk.Gateway, visitor: Visitor, address: str
) -> None:
    visitor.sign_in("a wrong password")
    visitor.sign_in()
    for path in ("/?q=Quarzpinguin", "/api/search?q=Quarzpinguin", "/api/suggest?q=Quarzpinguin"):
        assert visitor.get(path).status_code == 200
    assert visitor.get("/api/documents/4711").status_code == 404
    wanted = {("GET", "/", 200), ("GET", "/api/search", 200), ("GET", "/api/documents/{id:row_id}", 404)}
    wait_for(lambda: wanted <= {(line["method"], line["route"], line["status"]) for line in web.lines("page")})
    kept_out = ("Quarzpinguin", visitor.session["id"], "a wrong password")
    assert not [line for line in web.log if any(each in line for each in kept_out)]
    refused = [line for line in web.lines("sign_in_refused") if line["address"] == address]
    assert [line for line in web.log if address in line] == [
        line for line in web.log if "refused" in line and address in line
    ]
    assert len(refused) == 1
