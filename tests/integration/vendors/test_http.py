"""How a vendor is asked: real sockets, a real budget in Postgres, and time that mostly passes in name only."""

from __future__ import annotations

import base64
import datetime as dt
import json
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import structlog
import tables
from conftest import PIPELINE, PIPELINE_PASSWORD, TEMPLATE, fresh_database
from scripted_server import Play, ScriptedServer, reply, reset

from ibhelm_pipelines.errors import (
    IbhelmError,
    VendorForbiddenError,
    VendorMissingError,
    VendorRefusedError,
    VendorRequestError,
    VendorUnavailableError,
)
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.vendors.budget import Budget
from ibhelm_pipelines.vendors.exchange import MAX_BYTES, OutOfBoundsError, exchange, open_session
from ibhelm_pipelines.vendors.http import VendorClient

TOKEN = "planted-token-of-the-office"
OURS = "Basic " + base64.b64encode(f"{TOKEN}:x".encode()).decode()
GOOD = reply(200, {"tasks": []})
NOON = "Sun, 22 Nov 2026 12:00:00 GMT"
NOON_EPOCH = int(dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC).timestamp())


@pytest.fixture(scope="module")
def one_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    with fresh_database(postgres, template=TEMPLATE) as url:
        yield postgres.url(url.rpartition("/")[2], user=PIPELINE, password=PIPELINE_PASSWORD)


@pytest.fixture
def database_url(one_database: str) -> str:
    """One database for all of these, which need but one table of it, empty."""
    tables.ask(one_database, "delete from ops.request_budgets")
    return one_database


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as scripted:
        yield scripted


@pytest.fixture
def budget(database_url: str) -> Iterator[Budget]:
    with Budget(database_url, vendor="teamwork", requests=60_000, sleep=no_time) as made:
        yield made


@pytest.fixture
def client(server: ScriptedServer, budget: Budget) -> Iterator[VendorClient]:
    with client_of(server.url, budget) as made:
        yield made


def client_of(url: str, budget: Budget, **options: Any) -> VendorClient:
    return VendorClient(
        vendor="teamwork", base_url=url, budget=budget, **{"auth": (TOKEN, "x"), "sleep": no_time, **options}
    )


def no_time(seconds: float) -> None:
    """Time passes in name only."""


def postgres_time(url: str) -> dt.datetime:
    [(now,)] = tables.ask(url, "select clock_timestamp()")
    return now


def gzipped_garbage() -> bytes:
    return reply(200, b"this was never packed", Content_Encoding="gzip")


def test_an_answer_says_what_came_and_when_it_was_asked(client, server, database_url):
    server.script = [reply(200, {"projects": [{"name": "Lüftung"}]}, Date=NOON, X_Pages="3")]
    before = postgres_time(database_url)
    answer = client.get("/projects.json", {"page": 1})
    assert before <= answer.read_at <= postgres_time(database_url)
    assert answer.body == {"projects": [{"name": "Lüftung"}]}
    assert answer.vendor_time == dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
    assert answer.headers["x-pages"] == "3"


def test_a_vendor_that_does_not_say_its_time_has_none(client, server):
    server.script = [GOOD, reply(200, {}, Date="yesterday")]
    assert client.get("/a").vendor_time is None
    assert client.get("/a").vendor_time is None


def test_parameters_arrive_as_the_vendor_writes_them(client, server):
    server.script = [GOOD]
    client.get(
        "/a", {"showDeleted": True, "all": False, "since": "2026-01-01T00:00:00+01:00", "q": "ä&b", "none": None}
    )
    assert server.requests[0].target == (
        "/a?showDeleted=true&all=false&since=2026-01-01T00%3A00%3A00%2B01%3A00&q=%C3%A4%26b"
    )


PASSING: dict[str, bytes | Play] = {
    **{str(status): reply(status, {"MESSAGE": "later"}) for status in (408, 429, 500, 502, 503, 504, 520)},
    "reset": reset,
    "no reply": lambda connection: None,
    "truncated": reply(200, {"tasks": [1, 2, 3]})[:-5],
    "truncated chunks": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\n{"a":\r\n',
    "truncated JSON": reply(200, b'{"tasks": [{"id": 1}, {"i'),
    "empty": reply(200),
    "no content": reply(204),
    "accepted": reply(202, {}),
    "a page": reply(200, b"<html>maintenance</html>"),
    "a list": reply(200, []),
    "a number that is none": reply(200, b'{"a": NaN}'),
    "too deep": reply(200, b'{"a":' + b"[" * 200_000),
    "bad bytes": reply(200, b'{"a": "\xff"}'),
    "badly packed": gzipped_garbage(),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "404 of something in front": reply(404, b"<html>no such site</html>"),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_asked_again(client, server, name):
    server.script = [PASSING[name], PASSING[name], reply(200, {"id": 1})]
    assert client.get("/a").body == {"id": 1}
    assert len(server.requests) == 3


@pytest.mark.parametrize("name", PASSING)
def test_what_does_not_pass_is_an_error_after_the_last_attempt_and_never_an_answer(client, server, name):
    server.script = [PASSING[name]]
    with pytest.raises(VendorUnavailableError, match=r"^Teamwork .* \(GET /a, attempt 6 of 6\)"):
        client.get("/a")
    assert len(server.requests) == 6


def test_garbage_of_any_kind_is_unavailable(server, budget):
    luck = random.Random(4)
    with client_of(server.url, budget, attempts=1) as client:
        for _ in range(200):
            whole = reply(200, {"tasks": [{"id": 1}]}, Date=NOON)
            at, junk = luck.randrange(len(whole) - 1), luck.randbytes(luck.randrange(1, 40))
            kind = luck.choice([junk, junk + b"\r\n\r\n", whole[:at], b"HTTP/1.1 200 OK\r\n" + junk + b"\r\n\r\n"])
            server.script = [lambda connection, kind=kind: connection.sendall(kind)]
            with pytest.raises(VendorUnavailableError):
                client.get("/a")


def test_pauses_between_attempts_grow_and_are_cast_by_lot(server, budget):
    server.script = [reply(500)]
    pauses: list[list[float]] = []
    for _ in range(20):
        pauses.append([])
        with client_of(server.url, budget, sleep=pauses[-1].append) as client, pytest.raises(VendorUnavailableError):
            client.get("/a")
    for nth, most in enumerate([1, 2, 4, 8, 16]):
        drawn = {each[nth] for each in pauses}
        assert max(drawn) <= most
        assert len(drawn) > 10


def test_a_refused_connection_is_said_in_the_systems_words(budget):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = client_of(f"http://127.0.0.1:{port}", budget, attempts=2)
    with client, pytest.raises(VendorUnavailableError, match="cannot be reached: Connection refused"):
        client.get("/a")


def test_a_silent_vendor_is_given_up_in_time(server, budget):
    server.script = [lambda connection: connection.recv(1)]
    client = client_of(server.url, budget, attempts=2, timeout=(1, 0.2))
    with client, pytest.raises(VendorUnavailableError, match="was silent for too long"):
        client.get("/a")


def test_every_attempt_takes_from_the_budget(server, database_url):
    server.script = [reply(500), reset, GOOD]
    budget = Budget(database_url, vendor="teamwork", requests=1, sleep=no_time)
    with budget, client_of(server.url, budget) as client:
        client.get("/a")
    [(tokens,)] = tables.ask(database_url, "select round(tokens) from ops.request_budgets")
    assert tokens == 1 - 3


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 60),
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": "7", "X_Rate_Limit_Reset": "99"}, 7),
        ({"Retry_After": "Sun, 22 Nov 2026 12:00:42 GMT", "Date": NOON}, 42),
        ({"Retry_After": "Sun, 22 Nov 2026 12:00:42 GMT"}, 60),  # nobody knows what time it is there
        ({"X_Rate_Limit_Reset": "33"}, 33),
        ({"x_ratelimit_reset": "34"}, 34),
        ({"x_ratelimit_reset": str(NOON_EPOCH + 35), "Date": NOON}, 35),
        ({"x_ratelimit_reset": str(NOON_EPOCH + 35)}, 60),
        ({"x_ratelimit_reset": str(NOON_EPOCH - 35), "Date": NOON}, 1),
        ({"Retry_After": "0"}, 1),
        ({"Retry_After": "-5"}, 1),
        ({"Retry_After": "nan"}, 60),
        ({"Retry_After": "soon", "x_ratelimit_reset": "12"}, 12),
        ({"Retry_After": "31536000"}, 900),
        ({"x_ratelimit_reset": "9" * 400}, 60),
        ({"x_ratelimit_reset": "9" * 30, "Date": NOON}, 900),
        ({"Retry_After": "Sun, 99 Nov 2026 12:00:42 GMT", "Date": NOON}, 60),
    ],
)
def test_a_vendor_that_wants_a_pause_gets_it_from_all(server, budget, database_url, status, headers, seconds):
    server.script = [reply(status, **headers)]
    before = postgres_time(database_url)
    with client_of(server.url, budget, attempts=1) as client, pytest.raises(VendorUnavailableError):
        client.get("/a")
    [(until,)] = tables.ask(database_url, "select paused_until from ops.request_budgets")
    pause = dt.timedelta(seconds=seconds)
    assert before + pause <= until <= postgres_time(database_url) + pause


def test_the_next_attempt_waits_for_the_pause_and_for_nothing_else(server, database_url):
    server.script = [reply(429, Retry_After="30"), GOOD]
    waits: list[float] = []
    budget = Budget(database_url, vendor="teamwork", requests=60_000, sleep=waits.append)
    with budget, client_of(server.url, budget, sleep=waits.append) as client:
        client.get("/a")
    assert [round(wait) for wait in waits if wait] == [30]


def test_a_pause_beyond_patience_ends_the_request_at_once(client, server):
    server.script = [reply(429, Retry_After="800")]
    with pytest.raises(
        VendorUnavailableError, match=r"^Teamwork cannot be asked within 5 minutes: it asked for a pause"
    ):
        client.get("/a")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("limit", "waits"),
    [("10", True), ("900000", False), ("many", False), ("5", False)],  # 5 counts something else than a minute's
)
@pytest.mark.parametrize("header", ["x_ratelimit_limit", "X_Rate_Limit_Limit"])
def test_a_limit_in_the_headers_lowers_the_budget_and_never_raises_it(server, database_url, header, limit, waits):
    server.script = [reply(200, {}, **{header: limit})]
    pauses: list[float] = []
    budget = Budget(database_url, vendor="teamwork", requests=60_000, sleep=pauses.append)
    with budget, client_of(server.url, budget) as client:
        for _ in range(3):
            client.get("/a")
    assert bool(pauses) == waits


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, {"errors": [{"title": "Unauthorized"}]}, VendorRefusedError, "IBHELM_TEAMWORK_TOKEN"),
        (401, b"<html>", VendorRefusedError, "refuses our token"),
        (403, {"MESSAGE": "no  permission\n"}, VendorForbiddenError, r"GET /a \(403\): no permission\."),
        (404, b"", VendorMissingError, r"knows no such thing: GET /a \(404\)\.$"),
        (410, {"error": {"message": "gone"}}, VendorMissingError, r"\(410\): gone"),
        (
            400,
            {"errors": [{"title": "bad", "detail": "pageSize"}, {"detail": "x"}]},
            VendorRequestError,
            ": bad pageSize; x",
        ),
        (422, {"error": {"message": "min 'limit' value is 2"}}, VendorRequestError, "min 'limit' value is 2"),
        (418, {"message": "w" * 5000}, VendorRequestError, r": w{200}\. "),
        (400, {"errors": "no list", "MESSAGE": 7}, VendorRequestError, ": no list"),
        (405, b"<html>no</html>", VendorRequestError, r"\(405\)\. "),
        (304, b"", VendorRequestError, "IBHELM_TEAMWORK_URL"),
    ],
)
def test_what_does_not_pass_is_said_once_and_with_the_vendors_words(client, server, status, body, kind, words):
    server.script = [reply(status, body)]
    with pytest.raises(IbhelmError, match=words) as caught:
        client.get("/a")
    assert type(caught.value) is kind
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("name", ["500", "502", "504", "reset", "no reply", "truncated", "a page", "no HTTP"])
def test_what_must_happen_once_is_not_sent_again_when_it_may_have_arrived(client, server, method, name):
    server.script = [PASSING[name], GOOD]
    with pytest.raises(VendorUnavailableError, match="attempt 1 of 6"):
        client.send(method, "/webhooks.json", {"webhook": {}})
    assert len(server.requests) == 1


def test_what_must_happen_once_is_not_sent_again_after_silence(server, budget):
    server.script = [lambda connection: connection.recv(1)]
    with client_of(server.url, budget, timeout=(1, 0.2)) as client, pytest.raises(VendorUnavailableError):
        client.send("POST", "/webhooks.json", {})
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_what_must_happen_once_is_sent_again_when_it_was_turned_away(client, server, status):
    server.script = [reply(status), reply(201, {"id": "1234"})]
    assert client.send("POST", "/webhooks.json", {"webhook": {"event": "TASK.CREATED"}}).body == {"id": "1234"}
    assert [json.loads(request.body) for request in server.requests] == [{"webhook": {"event": "TASK.CREATED"}}] * 2


def test_what_must_happen_once_is_sent_again_when_nobody_listened(budget):
    with ScriptedServer([GOOD]) as gone:
        url = gone.url
    revived: list[ScriptedServer] = []

    def come_back(_seconds: float) -> None:
        port = int(url.rpartition(":")[2])
        if not revived:
            revived.append(ScriptedServer([reply(201, {"id": "1"})], port=port))
            revived[0].__enter__()

    with client_of(url, budget, sleep=come_back) as client:
        assert client.send("POST", "/webhooks.json", {}).body == {"id": "1"}
    revived[0].__exit__()


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_may_happen_twice_is_sent_again(client, server, method):
    server.script = [reset, reply(500), reply(204)]
    assert client.send(method, "/webhooks/1.json").body == {}
    assert [request.method for request in server.requests] == [method] * 3


def drip(start: bytes, drop: bytes) -> Play:
    def play(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(drop)
            time.sleep(0.02)

    return play


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DRIPS = {
    "body": drip(HEAD + b"Content-Length: 1000000\r\n\r\n", b" "),
    "body without an end": drip(HEAD + b"\r\n", b" "),
    "chunks": drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "one chunk": drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFF\r\n", b" "),
    "status": drip(b"HTTP/1.1 200 O", b"O"),
    "header": drip(HEAD + b"X-Long: ", b"x"),
    "interim replies": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("name", DRIPS)
def test_a_vendor_that_drips_does_not_hold_us(server, name):
    server.script = [DRIPS[name], reply(200, {"id": 1}, keep=True)]

    def ask(seconds: float) -> bytes:
        return exchange(
            session, "GET", server.url + "/a", parameters=None, body=None, timeout=(5, 30), max_seconds=seconds
        ).content

    with open_session((TOKEN, "x")) as session:
        with pytest.raises(OutOfBoundsError, match="not complete"):
            ask(0.5)
        assert ask(0.5) == b'{"id": 1}'
        time.sleep(0.7)
        assert ask(0.5) == b'{"id": 1}', "the watch over one exchange ended the next"
    assert server.connections == 2


@pytest.mark.parametrize("head", ["Content-Length: 99999999999\r\n\r\n", "\r\n"])
def test_an_answer_without_an_end_is_given_up(server, budget, head):
    def flood(connection: socket.socket) -> None:
        connection.sendall(HEAD + head.encode())
        for _ in range(2 * MAX_BYTES >> 20):
            connection.sendall(b" " * (1 << 20))

    server.script = [flood]
    client = client_of(server.url, budget, attempts=1)
    with client, pytest.raises(VendorUnavailableError, match="larger than 64 MiB"):
        client.get("/a")


@pytest.fixture
def thief() -> Iterator[ScriptedServer]:
    with ScriptedServer([GOOD]) as scripted:
        yield scripted


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_does_not_follow_a_redirect(client, server, thief, status):
    server.script = [reply(status, Location=f"{thief.url}/a")]
    with pytest.raises(VendorRequestError, match="sends us to another address"):
        client.get("/a")
    assert thief.connections == 0


def test_the_token_does_not_go_through_a_proxy_of_the_environment(client, server, thief, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, thief.url)
    monkeypatch.delenv("no_proxy", raising=False)
    server.script = [GOOD]
    client.get("/a")
    assert thief.connections == 0
    assert server.requests[0].headers["authorization"] == OURS


def test_no_netrc_says_who_we_are(server, budget, monkeypatch, tmp_path: Path):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    server.script = [GOOD]

    class Bearer(requests.auth.AuthBase):
        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"Bearer {TOKEN}"
            return request

    made: list[tuple[Any, str]] = [((TOKEN, "x"), OURS), (Bearer(), f"Bearer {TOKEN}")]
    for auth, header in made:
        with client_of(server.url, budget, auth=auth) as client:
            client.get("/a")
        assert server.requests[-1].headers["authorization"] == header


def test_cookies_are_not_sent_back(client, server):
    server.script = [reply(200, {}, Set_Cookie="session=somebody; Path=/")]
    client.get("/a")
    client.get("/a")
    assert "cookie" not in server.requests[1].headers


@pytest.mark.parametrize("path", ["@127.0.0.1/a", "a", "http://127.0.0.1/a", ""])
def test_a_path_cannot_name_another_host(client, server, path):
    with pytest.raises(ValueError, match="does not begin with a slash"):
        client.get(path)


def test_neither_logs_nor_errors_hold_the_token(client, server):
    server.script = [reply(500, {"MESSAGE": "x"}), reset, reply(401, {"MESSAGE": "y"})]
    with structlog.testing.capture_logs() as lines, pytest.raises(VendorRefusedError) as caught:
        client.get("/a", {"page": 2})
    assert [(line["event"], line["log_level"], line["attempt"]) for line in lines] == [
        ("vendor_asked_again", "info", 1),
        ("vendor_asked_again", "info", 2),
    ]
    assert lines[0]["parameters"] == {"page": "2"}
    for secret in (TOKEN, OURS.partition(" ")[2]):
        assert secret not in f"{lines}{caught.value!r}{caught.value}"


class StoppedError(Exception):
    """The worker that waits is asked to stop."""


def stop(_seconds: float) -> None:
    raise StoppedError


@pytest.mark.parametrize("failure", [reply(500), reply(429)])
def test_who_waits_can_be_stopped(server, database_url, failure):
    server.script = [failure, GOOD]
    budget = Budget(database_url, vendor="teamwork", requests=60_000, sleep=stop)
    client = client_of(server.url, budget, sleep=lambda seconds: stop(seconds) if seconds else None)
    with budget, client, pytest.raises(StoppedError):
        client.get("/a")
    assert len(server.requests) == 1


def test_one_connection_serves_many_requests_and_is_renewed_when_the_vendor_closed_it(client, server):
    server.script = [reply(200, {}, keep=True)]
    for _ in range(5):
        client.get("/a")
    assert server.connections == 1
    server.script = [reply(200, {})]
    client.get("/a")
    server.script = [reply(200, {}, keep=True)]
    client.send("POST", "/a", {})
    assert server.connections == 2
