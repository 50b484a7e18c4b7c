"""The webhook receiver as vendors and strangers meet it: a real process, real sockets, a real database."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from conftest import PIPELINE, PIPELINE_PASSWORD, TEMPLATE, fresh_database
from tables import ask
from webhook_sender import (
    PATIENCE_SECONDS,
    SECRETS,
    SIGNATURES,
    Receiver,
    conversation,
    environment,
    running,
    sign,
    task,
    wait_for,
)

from ibhelm_pipelines.live.webhooks import POSTS_AT_ONCE
from ibhelm_pipelines.local.postgres import EmbeddedPostgres

DELIVERIES = "select vendor, delivery, event, kind, object_id, body from ops.webhook_deliveries order by id"
INBOX = "select source, kind, convert_from(key, 'UTF8'), events from ops.inbox order by 1, 2, 3"


@pytest.fixture(scope="module")
def office(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Receiver, str]]:
    """One receiver, and its database, for all tests that leave it alive: a start costs a second of processor time."""
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(postgres, template=TEMPLATE))
        as_pipeline = postgres.url(url.rpartition("/")[2], user=PIPELINE, password=PIPELINE_PASSWORD)
        yield stack.enter_context(running(environment(as_pipeline, tmp_path_factory.mktemp("receiver")))), url


@pytest.fixture
def receiver(office: tuple[Receiver, str]) -> Receiver:
    """The common receiver, its tables and its counters as if new."""
    receiver, url = office
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("truncate ops.webhook_deliveries, ops.inbox")
    receiver.count_afresh()
    return receiver


@pytest.fixture
def url(office: tuple[Receiver, str]) -> str:
    """The database of the common receiver."""
    return office[1]


@pytest.fixture
def mortal(database_url: str, tmp_path: Path) -> Iterator[Receiver]:
    """A receiver of one test, which it may stop."""
    with running(environment(database_url, tmp_path)) as receiver:
        yield receiver


def test_a_signed_post_is_a_row_and_an_inbox_item_when_it_is_answered_and_a_replay_is_neither(
    receiver: Receiver, url: str
) -> None:
    assert receiver.post_task(5, "uuid-1").status == 200
    stored = [("teamwork", "uuid-1", "TASK.UPDATED", "task", "5", task(5))]
    assert ask(url, DELIVERIES) == stored
    assert ask(url, INBOX) == [("teamwork", "task", "5", 1)]

    assert receiver.post_task(5, "uuid-1").status == 200
    assert ask(url, DELIVERIES) == stored
    assert ask(url, INBOX) == [("teamwork", "task", "5", 1)]
    assert receiver.post_task(5, "uuid-2").status == 200, "another change of the same task"
    assert ask(url, INBOX) == [("teamwork", "task", "5", 2)]
    assert [receiver.metric(f"{name}_total", vendor="teamwork") for name in ("received", "stored", "duplicate")] == [
        3,
        2,
        1,
    ]
    assert receiver.metric("seconds_count", vendor="teamwork") == 3


def test_a_worker_that_listens_is_woken(receiver: Receiver, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as worker:
        worker.execute("listen ibhelm_inbox")
        receiver.post("missive", conversation("c-1"))
        heard = next(worker.notifies(timeout=PATIENCE_SECONDS, stop_after=1))
    assert heard.payload == "missive"


def test_missive_may_sign_with_or_without_its_prefix_and_repeats_the_same_bytes(receiver: Receiver, url: str) -> None:
    body = conversation("c-1")
    bare = {SIGNATURES["missive"]: sign("missive", body)}
    assert receiver.post("missive", body).status == 200
    assert receiver.ask("POST", "/webhooks/missive", body, bare).status == 200
    [(vendor, _, event, kind, object_id, kept)] = ask(url, DELIVERIES)
    assert (vendor, event, kind, object_id, kept) == ("missive", "incoming_email", "conversation", "c-1", body)
    assert ask(url, INBOX) == [("missive", "conversation", "c-1", 1)]


def test_the_same_bytes_are_news_again_when_nobody_would_still_be_retrying(receiver: Receiver, url: str) -> None:
    receiver.post("missive", conversation("c-1"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update ops.webhook_deliveries set received_at = now() - interval '16 minutes'")
        connection.execute("delete from ops.inbox")  # the worker has done it long ago
    assert receiver.post("missive", conversation("c-1")).status == 200
    assert len(ask(url, DELIVERIES)) == 1
    assert ask(url, INBOX) == [("missive", "conversation", "c-1", 1)]


def test_what_is_signed_but_not_understood_is_kept_and_counted_and_nobody_waits_for_it(
    receiver: Receiver, url: str
) -> None:
    assert receiver.post("missive", b'{"hello": "validation"}').status == 200
    [(_, delivery, _, kind, object_id, _)] = ask(url, DELIVERIES)
    assert (kind, object_id) == ("unknown", delivery)
    assert ask(url, INBOX) == []
    assert receiver.metric("not_understood_total", vendor="missive") == 1


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (None, "unsigned"),
        ("", "unsigned"),
        ("0" * 64, "wrong_signature"),
        ("sha256=", "wrong_signature"),
        ("müll", "wrong_signature"),
        (sign("missive", task(5)), "wrong_signature"),  # the secret of the other vendor
        (sign("teamwork", task(6)), "wrong_signature"),  # of another body
    ],
)
def test_what_is_not_signed_is_refused_counted_and_not_stored(
    receiver: Receiver, url: str, signature: str | None, reason: str
) -> None:
    headers = {"X-Projects-Event": "TASK.UPDATED"}
    if signature is not None:
        headers["X-Projects-Signature"] = signature
    answer = receiver.ask("POST", "/webhooks/teamwork", task(5), headers)
    assert (answer.status, answer.text) == (401, "Not signed with the secret that is set here.")
    assert ask(url, DELIVERIES) == []
    assert ask(url, INBOX) == []
    assert receiver.metric("rejected_total", vendor="teamwork", reason=reason) == 1


def test_a_vendor_without_a_secret_is_refused_even_with_the_signature_of_an_empty_one(
    database_url: str, tmp_path: Path
) -> None:
    with running(environment(database_url, tmp_path, MISSIVE_WEBHOOK_SECRET="")) as receiver:
        body = conversation("c")
        empty = hmac.new(b"", body, hashlib.sha256).hexdigest()
        assert receiver.ask("POST", "/webhooks/missive", body, {SIGNATURES["missive"]: empty}).status == 401
        assert receiver.metric("rejected_total", vendor="missive", reason="no_secret") == 1
        assert receiver.post_task(1, "d").status == 200
    assert [vendor for vendor, *_ in ask(database_url, DELIVERIES)] == ["teamwork"]


def test_refusals_fill_no_log_and_quote_nothing(mortal: Receiver) -> None:
    for _ in range(20):
        mortal.ask("POST", "/webhooks/teamwork", b"planted body", {"X-Projects-Signature": "planted signature"})
    mortal.raw(b"planted nonsense\r\n\r\n" * 20)
    assert mortal.stop() == 0
    assert [(line["vendor"], line["reason"]) for line in mortal.lines("webhook_refused")] == [
        ("teamwork", "wrong_signature"),
        ("", "not_http"),
    ]
    assert "planted" not in "".join(mortal.log).replace("planted secret", "")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_one_mebibyte_is_refused_and_one_of_exactly_that_is_not(
    receiver: Receiver, url: str, chunked: bool
) -> None:
    start = b'{"task": {"id": 5}, "filler": "'
    fitting = start + b"x" * ((1 << 20) - len(start) - 2) + b'"}'
    too_big = fitting + b" "
    for body, status in ((fitting, 200), (too_big, 413)):
        answer = receiver.raw(_post(body, chunked=chunked))
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert [len(body) for *_, body in ask(url, DELIVERIES)] == [1 << 20]


def _post(body: bytes, *, chunked: bool = False) -> bytes:
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    head = (
        b"POST /webhooks/teamwork HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Projects-Event: TASK.UPDATED\r\n"
        + length
        + b"\r\nX-Projects-Signature: "
        + sign("teamwork", body).encode()
        + b"\r\n\r\n"
    )
    if not chunked:
        return head + body
    pieces = [body[i : i + 50_000] for i in range(0, len(body), 50_000)]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def test_a_huge_announced_body_is_refused_before_it_comes(receiver: Receiver) -> None:
    head = b"POST /webhooks/teamwork HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
    assert receiver.raw(head).startswith(b"HTTP/1.1 413 ")


def test_who_dawdles_with_the_body_or_the_head_is_cut_off_and_the_others_do_not_notice(receiver: Receiver) -> None:
    slow_body = b"POST /webhooks/missive HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"
    slow_head = b"POST /webhooks/missive HTTP/1.1\r\nHo"
    answers: dict[bytes, bytes] = {}
    dawdlers = [
        threading.Thread(target=lambda data=data: answers.update({data: receiver.raw(data)}))
        for data in (slow_body, slow_head, b"")
    ]
    for dawdler in dawdlers:
        dawdler.start()
    assert receiver.post_task(1, "quick").status == 200
    for dawdler in dawdlers:
        dawdler.join(PATIENCE_SECONDS)
        assert not dawdler.is_alive()
    assert answers[slow_body].startswith(b"HTTP/1.1 408 ")
    assert (answers[slow_head], answers[b""]) == (b"", b"")
    assert receiver.metric("rejected_total", vendor="missive", reason="too_slow") == 1


def test_a_client_that_is_too_quick_is_told_when_to_come_again_and_the_others_do_not_notice(
    receiver: Receiver, url: str
) -> None:
    unsigned = b"POST /webhooks/teamwork HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n%s\r\n"
    storm = unsigned % b"" * (POSTS_AT_ONCE * 2 - 1) + unsigned % b"Connection: close\r\n"
    answers = receiver.raw(storm)
    refused, unauthorized = answers.count(b"HTTP/1.1 429 "), answers.count(b"HTTP/1.1 401 ")
    assert refused + unauthorized == POSTS_AT_ONCE * 2
    assert refused > 0, "twice as many as are taken at once, and more than come back while they are sent"
    assert unauthorized >= POSTS_AT_ONCE
    assert receiver.post_task(1, "of another client", "192.0.2.2").status == 200
    assert receiver.post("missive", conversation("of another vendor"), X_Forwarded_For="192.0.2.1").status == 200

    assert b"\r\nretry-after: 1\r\n" in answers
    time.sleep(1)
    assert receiver.post_task(2, "who waited", "192.0.2.1").status == 200
    assert len(ask(url, DELIVERIES)) == 3


NOWHERE = {
    ("GET", "/"): 404,
    ("GET", "/docs"): 404,
    ("GET", "/openapi.json"): 404,
    ("POST", "/webhooks"): 404,
    ("POST", "/webhooks/teamwork/"): 404,
    ("POST", "/webhooks/slack"): 404,
    ("POST", "/webhooks/../metrics"): 404,
    ("GET", "/webhooks/teamwork"): 405,
    ("PUT", "/webhooks/missive"): 405,
    ("DELETE", "/metrics"): 405,
    ("POST", "/healthz"): 405,
    ("BREW", "/webhooks/teamwork"): 405,
}


def test_nothing_else_is_reachable(receiver: Receiver) -> None:
    answers = {asked: receiver.ask(*asked) for asked in NOWHERE}
    assert {asked: answer.status for asked, answer in answers.items()} == NOWHERE
    assert {answer.text for answer in answers.values()} == {"Not Found", "Method Not Allowed"}
    assert "server" not in {name.lower() for answer in answers.values() for name in answer.headers}


def test_it_is_well_and_its_heartbeat_says_so_until_it_ends_in_good_order(mortal: Receiver, database_url: str) -> None:
    assert (mortal.ask("GET", "/healthz").status, mortal.ask("GET", "/healthz").text) == (200, '{"status":"ok"}')
    alive = "select kind, state ->> 'url', stopped_at is null from ops.heartbeats"
    wait_for(lambda: ask(database_url, alive) == [("webhooks", mortal.url, True)])
    assert mortal.stop(signal.SIGTERM) == 0
    assert ask(database_url, alive) == [("webhooks", mortal.url, False)]
    assert mortal.lines("webhooks_stopped")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_good_order_while_a_client_keeps_its_connection(mortal: Receiver, number: int) -> None:
    with socket.create_connection(("127.0.0.1", mortal.port)) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert mortal.stop(number) == 0


def test_a_port_that_is_taken_is_said_in_a_sentence(receiver: Receiver, url: str, tmp_path: Path) -> None:
    second = environment(url, tmp_path / "second", WEBHOOKS_PORT=str(receiver.port))
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", "webhooks"]
    done = subprocess.run(command, env=second, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"The webhook receiver cannot listen on port {receiver.port} of 127.0.0.1: it is taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_old_deliveries_go_and_young_ones_stay(database_url: str, tmp_path: Path) -> None:
    insert = (
        "insert into ops.webhook_deliveries (vendor, delivery, event, body, kind, object_id, received_at)"
        " select 'teamwork', i, '', '', 'task', i, now() - make_interval(days => i) from generate_series(1, 60) i"
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(insert)
    with running(environment(database_url, tmp_path)) as receiver:
        wait_for(lambda: receiver.lines("old_deliveries_deleted"))
    assert ask(database_url, "select max(delivery::int), count(*) from ops.webhook_deliveries") == [(29, 29)]


def test_a_mistake_in_what_it_does_beside_receiving_ends_it_loudly(
    database_url: str, owner_database_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(owner_database_url, autocommit=True) as connection:
        connection.execute("drop table ops.webhook_deliveries")
    with running(environment(database_url, tmp_path)) as receiver:
        assert receiver.process.wait(PATIENCE_SECONDS) == 1
        wait_for(lambda: receiver.lines("crashed"))
    alive = "select stopped_at is null from ops.heartbeats"
    assert ask(database_url, alive) == [(True,)], "it did not end in good order, and its heartbeat does not say so"


CONNECTIONS = 20


@pytest.mark.parametrize("posts", [200, pytest.param(2000, marks=pytest.mark.soak)])
def test_of_many_posts_over_20_connections_none_is_lost_and_none_doubled_by_a_replay_of_all(
    receiver: Receiver, url: str, posts: int
) -> None:
    seconds: list[float] = []

    def send(client: int) -> None:
        for number in range(client, posts, CONNECTIONS):
            started = time.perf_counter()
            assert receiver.post_task(number + 1, f"d{number}", f"10.0.0.{client}").status == 200
            seconds.append(time.perf_counter() - started)

    for _ in range(2):
        senders = [threading.Thread(target=send, args=(client,)) for client in range(CONNECTIONS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        expected = [(f"d{number}", str(number + 1)) for number in range(posts)]
        stored = ask(url, "select delivery, object_id from ops.webhook_deliveries order by object_id::int")
        assert stored == expected
        assert {events for *_, events in ask(url, INBOX)} == {1}
        assert len(ask(url, INBOX)) == posts
    assert len(seconds) == 2 * posts
    sys.stdout.write(f"\np95 of {len(seconds)} posts: {statistics.quantiles(seconds, n=100)[94] * 1000:.1f} ms\n")


def test_every_line_of_the_log_is_json_with_all_keys_and_without_a_secret(mortal: Receiver) -> None:
    mortal.post_task(1, "d")
    mortal.stop()
    lines = [json.loads(line) for line in mortal.log]
    assert lines
    keys = {"timestamp", "level", "event", "process", "run", "asset", "folder"}
    assert all(keys <= line.keys() and line["process"] == "webhooks" for line in lines)
    assert not any(secret in "".join(mortal.log) for secret in SECRETS.values())
