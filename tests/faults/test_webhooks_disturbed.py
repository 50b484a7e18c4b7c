"""The receiver with Postgres away, hanging or restarted, and the receiver itself killed: no 200 was ever a lie."""

from __future__ import annotations

import http.client
import os
import signal
import threading
from pathlib import Path

import psutil
import psycopg
import pytest
from tables import ask
from webhook_sender import Receiver, environment, running, wait_for

from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.local.postgres import EmbeddedPostgres

STORED = "select delivery from ops.webhook_deliveries"


@pytest.fixture
def url(private_postgres: EmbeddedPostgres) -> str:
    migrate(private_postgres.url())
    return private_postgres.url()


def post_until_told(receiver: Receiver, accepted: set[str], stop: threading.Event, client: int) -> None:
    """Post one delivery after the other, noting which got their 200; another answer than 200 and 503 ends it loudly."""
    number = 0
    while not stop.is_set():
        delivery = f"{client}-{number}"
        number += 1
        try:
            status = receiver.post_task(number, delivery, f"10.0.{client}.{number // 150}").status
        except (OSError, EOFError, http.client.HTTPException):  # the receiver is being killed, perhaps while it answers
            continue
        assert status in (200, 503)
        if status == 200:
            accepted.add(delivery)


@pytest.fixture
def sending(url: str, tmp_path: Path):
    """A receiver under steady posts; yields it and what was accepted, stops the senders."""
    accepted: set[str] = set()
    stop = threading.Event()
    with running(environment(url, tmp_path)) as receiver:
        arguments = [(receiver, accepted, stop, client) for client in range(4)]
        senders = [threading.Thread(target=post_until_told, args=each) for each in arguments]
        for sender in senders:
            sender.start()
        wait_for(lambda: len(accepted) >= 20)
        yield receiver, accepted, stop, senders
        stop.set()
        for sender in senders:
            sender.join()


def test_without_postgres_it_says_503_and_is_well_again_by_itself(
    url: str, private_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    with running(environment(url, tmp_path)) as receiver:
        assert receiver.post_task(1, "before").status == 200
        private_postgres.stop()
        refused = receiver.post_task(2, "meanwhile")
        assert (refused.status, refused.text[:18]) == (503, "Nothing was stored")
        health = receiver.ask("GET", "/healthz")
        assert (health.status, "Postgres does not answer" in health.text) == (503, True)
        assert receiver.metric("rejected_total", vendor="teamwork", reason="database_away") == 1
        private_postgres.start()
        wait_for(lambda: receiver.ask("GET", "/healthz").status == 200)
        assert receiver.post_task(2, "meanwhile").status == 200
        assert receiver.stop() == 0
        assert "Traceback" not in "".join(receiver.log)
    assert {delivery for (delivery,) in ask(url, STORED)} == {"before", "meanwhile"}


def test_it_starts_before_postgres_does(url: str, private_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    private_postgres.stop()
    with running(environment(url, tmp_path)) as receiver:
        assert receiver.post_task(1, "d").status == 503
        private_postgres.start()
        wait_for(lambda: receiver.post_task(1, "d").status == 200)


def test_a_postgres_that_keeps_us_waiting_costs_a_vendor_five_seconds_and_its_retry_is_stored_once(
    url: str, tmp_path: Path
) -> None:
    with running(environment(url, tmp_path)) as receiver:
        with psycopg.connect(url) as migration:
            migration.execute("lock table ops.webhook_deliveries in access exclusive mode")
            answers = [receiver.post_task(number, f"d{number}").status for number in (1, 2)]
            assert answers == [503, 503]
        wait_for(lambda: receiver.post_task(1, "d1").status == 200)
        assert receiver.post_task(2, "d2").status == 200
    assert sorted(ask(url, STORED)) == [("d1",), ("d2",)]


def test_postgres_killed_in_the_middle_of_many_posts_makes_no_200_a_lie(
    sending, url: str, private_postgres: EmbeddedPostgres
) -> None:
    receiver, accepted, stop, senders = sending
    for _ in range(2):
        kill(private_postgres)
        private_postgres.start()
        before = len(accepted)
        wait_for(lambda before=before: len(accepted) > before + 20)
    stop.set()
    for sender in senders:
        sender.join()
    assert accepted <= {delivery for (delivery,) in ask(url, STORED)}
    assert receiver.stop() == 0
    assert "Traceback" not in "".join(receiver.log)


def kill(server: EmbeddedPostgres) -> None:
    postmaster = int((server.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
    family = [*psutil.Process(postmaster).children(recursive=True), psutil.Process(postmaster)]
    os.kill(postmaster, signal.SIGKILL)
    psutil.wait_procs(family, timeout=30)


def test_the_receiver_killed_in_the_middle_of_many_posts_made_no_200_a_lie_and_leaves_an_item_for_each(
    sending, url: str
) -> None:
    receiver, accepted, stop, _ = sending
    receiver.stop(signal.SIGKILL)
    stop.set()
    stored = ask(url, "select delivery, object_id from ops.webhook_deliveries")
    assert accepted <= {delivery for delivery, _ in stored}
    waiting = ask(url, "select convert_from(key, 'UTF8'), events from ops.inbox")
    assert sum(events for _, events in waiting) == len(stored), "a delivery and what it says are one transaction"
    assert {key for key, _ in waiting} == {object_id for _, object_id in stored}
