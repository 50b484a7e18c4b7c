"""Strangers' imagination against the webhook receiver: never a 5xx, never a traceback, and it lives on."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from conftest import TEMPLATE, fresh_database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from webhook_sender import SIGNATURES, Receiver, conversation, environment, running, sign, task

from ibhelm_pipelines.local.postgres import EmbeddedPostgres

SILENCE_SECONDS = 0.25
"""How long an unfinished request may leave us without an answer before the next example."""

CLIENTS = itertools.count()
EXAMPLES = [200, pytest.param(5000, marks=[pytest.mark.soak, pytest.mark.timeout(0)])]

METHODS = st.sampled_from(["POST"] * 6 + ["GET", "HEAD", "PUT", "OPTIONS", "TRACE", "CONNECT", "PRI", "post"])
PATHS = st.sampled_from(
    ["/webhooks/teamwork", "/webhooks/missive"] * 4 + ["/healthz", "/metrics", "/", "*", "//", "/%00"]
)
ODD_PATHS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30).map(lambda text: "/" + text)
NAMES = st.sampled_from(
    [
        "X-Projects-Signature", "X-Hook-Signature", "X-Projects-Event", "X-Projects-Delivery", "Content-Type", "Expect",
        "Content-Encoding", "Connection", "Upgrade", "Cookie", "X-Forwarded-Proto", "Forwarded", "Host",
    ]
)  # fmt: skip
VALUES = st.sampled_from(["100-continue", "websocket", "upgrade", "close", "gzip", "TASK.UPDATED", "sha256=", "h2c"])
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
HEADERS = st.lists(st.tuples(NAMES, VALUES | TEXTS), max_size=5)
FORMS = st.dictionaries(st.sampled_from(["event", "objectId", "Task.ID", "ID"]), TEXTS, max_size=4)
BODIES = (
    st.binary(max_size=300)
    | st.sampled_from([task(5), conversation("c"), b"{" * 50_000, b"[" * 50_000, b"\x00" * 70_000])
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.floats(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["task", "id", "rule", "conversation"]), inner),
        max_leaves=8,
    ).map(lambda document: json.dumps({"task": document, "conversation": document}).encode())
    | FORMS.map(lambda form: "&".join(f"{name}={value}" for name, value in form.items()).encode())
)


@pytest.fixture(scope="module")
def receiver(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """One for all examples of all tests; in the end it must stop in good order, with nothing terrible in its log."""
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(postgres, template=TEMPLATE))
        receiver = stack.enter_context(running(environment(url, tmp_path_factory.mktemp("receiver"))))
        yield receiver
        assert_unharmed(receiver)
        assert receiver.stop() == 0
        assert terrible(receiver) == []


def post(method: str, path: str, headers: list[tuple[str, str]], body: bytes, *, chunked: bool, signed: bool) -> bytes:
    """Write a request that is whole, with whatever in it; each comes from a client of its own, below its limit."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"X-Forwarded-For: client-{next(CLIENTS)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if signed:
        lines += [f"{SIGNATURES[vendor]}: {sign(vendor, body)}" for vendor in SIGNATURES]
    lines += ["Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}", "", ""]
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked and body else b"0\r\n\r\n" if chunked else body
    return "\r\n".join(lines).encode("latin-1") + sent


def answer_to(receiver: Receiver, data: bytes) -> bytes:
    """Send bytes and return what comes until the first whole answer, the end, or a silence."""
    answer = b""
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=SILENCE_SECONDS) as connection:
        with contextlib.suppress(TimeoutError, ConnectionError):
            connection.sendall(data)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while not is_whole(answer) and (received := connection.recv(65536)):
                answer += received
    return answer


def is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return length is not None and len(body) >= int(length[1])


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def assert_unharmed(receiver: Receiver) -> None:
    stored = receiver.metric("stored_total", vendor="teamwork")
    assert receiver.post_task(1, f"still-well-{next(CLIENTS)}", "192.0.2.77").status == 200
    assert receiver.metric("stored_total", vendor="teamwork") == stored + 1
    assert terrible(receiver) == []


def terrible(receiver: Receiver) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in list(receiver.log)]
    return [line for line in lines if line["level"] in ("error", "critical") or "exception" in line]


@pytest.mark.parametrize("examples", EXAMPLES)
def test_whatever_stands_in_a_whole_request_the_answer_is_no_5xx(receiver: Receiver, examples: int) -> None:
    seen: set[int] = set()

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(METHODS, PATHS | ODD_PATHS, HEADERS, BODIES, st.booleans(), st.booleans())
    def send(method, path, headers, body, chunked, signed):
        request = post(method, path, headers, body, chunked=chunked, signed=signed)
        found = statuses(answer_to(receiver, request))
        assert all(status < 500 for status in found), request
        seen.update(found)

    send()
    assert {200, 401, 404, 405} <= seen, "the examples went past everything"
    assert_unharmed(receiver)


WHOLE = post("POST", "/webhooks/teamwork", [("X-Projects-Event", "TASK.UPDATED")], task(5), chunked=False, signed=True)
CHUNKED = post("POST", "/webhooks/missive", [], conversation("c"), chunked=True, signed=True)
PLACES = st.integers(min_value=0, max_value=max(len(WHOLE), len(CHUNKED)))


@pytest.mark.parametrize("examples", EXAMPLES)
def test_broken_http_costs_nobody_a_traceback(receiver: Receiver, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from([WHOLE, CHUNKED, WHOLE + CHUNKED, CHUNKED * 3]), PLACES, PLACES, st.binary(max_size=20))
    def send(request, start, end, junk):
        start, end = sorted((start, end))
        broken = request[:start] + junk + request[end:]
        assert all(status < 500 for status in statuses(answer_to(receiver, broken))), broken

    send()
    assert_unharmed(receiver)


POST = b"POST /webhooks/teamwork HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
CHUNKS = b"Transfer-Encoding: chunked\r\n"
BROKEN = {
    "a bad chunk behind a head that is refused at once": b"POST / HTTP/1.1\r\nHost: x\r\n" + CHUNKS + b"\r\nzz\r\n",
    "a bad chunk in a body that is awaited": POST + CHUNKS + b"\r\n5\r\nabcdefg\r\n",
    "a body that is never whole": POST + b"Content-Length: 5\r\n\r\nabc",
    "nonsense behind a whole request": GET + b"\r\n\x00\x01\x02 nonsense\r\n\r\n",
    "a head that never ends": b"GET / HTTP/1.1\r\nX-Filler: " + b"x" * 200_000,
    "both lengths": POST + CHUNKS + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "an upgrade": GET + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "no host": b"POST /webhooks/teamwork HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "the greeting of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a greeting of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
}


@pytest.mark.parametrize("delayed", [False, True])
def test_known_ways_to_break_http_are_refused_quietly(receiver: Receiver, delayed: bool) -> None:
    found: dict[str, list[int]] = {}
    for name, data in BROKEN.items():
        if delayed:  # the nonsense comes when the head has been seen already
            head, tail = data[: data.find(b"\r\n\r\n") + 4], data[data.find(b"\r\n\r\n") + 4 :]
            with socket.create_connection(("127.0.0.1", receiver.port), timeout=SILENCE_SECONDS) as connection:
                connection.sendall(head)
                with contextlib.suppress(TimeoutError, ConnectionError):
                    connection.recv(65536)
                    connection.sendall(tail)
                    connection.recv(65536)
        else:
            found[name] = statuses(answer_to(receiver, data))
    assert all(status < 500 for statuses in found.values() for status in statuses), found
    assert_unharmed(receiver)


def test_a_connection_is_used_again_for_the_next_post(receiver: Receiver) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", receiver.port)) as connection:
        for expected in (401, 401, 404, 200):
            path = {404: "/nowhere", 200: "/healthz"}.get(expected, "/webhooks/teamwork")
            connection.request("GET" if expected == 200 else "POST", path, None if expected == 200 else task(1))
            socket_before = connection.sock
            response = connection.getresponse()
            response.read()
            assert (response.status, connection.sock) == (expected, socket_before)
