"""One trouble is one alert and one message, from its beginning to its end, however often and by however many it is
looked for."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest
import structlog
from alert_office import DAY, START, TICK, rows, trouble

from ibhelm_pipelines.alerts.reconcile import AlertReport, reconcile
from ibhelm_pipelines.local.process import wait_until

if TYPE_CHECKING:
    from alert_office import Mailbox

    from ibhelm_pipelines.settings import Settings


@pytest.mark.parametrize("ticks", [100, pytest.param(1000, marks=pytest.mark.soak)])
def test_over_all_ticks_a_permanent_failure_is_one_alert_and_one_message(
    told: Settings, mailbox: Mailbox, ticks: int
) -> None:
    reports = [reconcile(told, [trouble()], now=START + tick * TICK) for tick in range(ticks)]

    assert [report.opened for report in reports if report.opened] == [("check:rot",)]
    assert rows(told, "select key, closed_at from ops.alerts") == [("check:rot", None)]
    assert mailbox.titles() == ["IBHelm: Trouble with rot"]


def test_what_lasts_for_days_is_told_again_once_a_day(told: Settings, mailbox: Mailbox) -> None:
    for tick in range(7 * 8):
        reconcile(told, [trouble()], now=START + tick * dt.timedelta(hours=3))

    assert len(mailbox.messages) == 7
    assert "Still wrong:" in mailbox.messages[-1]["message"]
    assert rows(told, "select count(*) from ops.alerts") == [(1,)]


def test_a_message_says_what_is_wrong_since_when_in_berlin_and_what_to_do(told: Settings, mailbox: Mailbox) -> None:
    reconcile(told, [trouble()], now=START)

    [message] = mailbox.messages
    assert message["message"] == (
        "New:\n- Trouble with rot (error, since 23.11.2026 02:30)\n  3 files are rot. Look at them.\n\n"
        "`ibhelm status` shows what is wrong now."
    )
    assert message["type"] == "warning"


def test_several_new_alerts_of_one_look_are_one_message(told: Settings, mailbox: Mailbox) -> None:
    reconcile(told, [trouble(str(number)) for number in range(25)], now=START)

    [message] = mailbox.messages
    assert message["title"] == "IBHelm: 25 new"
    assert message["message"].count("Trouble with") == 20
    assert "- and 5 more" in message["message"]
    assert rows(told, "select count(*) from ops.alerts where sent_at is not null") == [(25,)]


def test_what_is_gone_is_closed_at_once_and_told_to_be_over_when_it_stayed_away(
    told: Settings, mailbox: Mailbox
) -> None:
    reconcile(told, [trouble()], now=START)
    report = reconcile(told, [], now=START + TICK)
    assert report.closed == ("check:rot",)
    assert rows(told, "select closed_at from ops.alerts") == [(START + TICK,)]
    assert len(mailbox.messages) == 1

    for minute in range(60):
        reconcile(told, [], now=START + dt.timedelta(minutes=minute))

    assert mailbox.titles() == ["IBHelm: Trouble with rot", "IBHelm: over: Trouble with rot"]
    assert mailbox.messages[1]["type"] == "success"


def test_trouble_that_comes_and_goes_is_one_alert_and_one_message(told: Settings, mailbox: Mailbox) -> None:
    for minute in range(0, 120, 4):
        reconcile(told, [trouble()], now=START + dt.timedelta(minutes=minute))
        reconcile(told, [], now=START + dt.timedelta(minutes=minute + 2))

    assert rows(told, "select count(*) from ops.alerts") == [(1,)]
    assert mailbox.titles() == ["IBHelm: Trouble with rot"]


def test_trouble_that_comes_back_after_it_was_told_to_be_over_is_told_anew(told: Settings, mailbox: Mailbox) -> None:
    for minute, conditions in ((0, [trouble()]), (1, []), (12, []), (13, [trouble()])):
        reconcile(told, conditions, now=START + dt.timedelta(minutes=minute))

    assert mailbox.titles() == [
        "IBHelm: Trouble with rot",
        "IBHelm: over: Trouble with rot",
        "IBHelm: Trouble with rot",
    ]
    assert rows(told, "select count(*), count(closed_at) from ops.alerts") == [(2, 1)]


def test_what_nobody_was_told_of_is_not_told_to_be_over(told: Settings, mailbox: Mailbox) -> None:
    mailbox.status = 500
    reconcile(told, [trouble()], now=START)
    reconcile(told, [], now=START + TICK)
    mailbox.status = 200
    reconcile(told, [], now=START + DAY)
    assert mailbox.messages == []


def test_an_open_alert_says_what_is_wrong_now(settings: Settings) -> None:
    reconcile(settings, [trouble()], now=START)
    reconcile(settings, [trouble(body="4 files are rot.", severity="warning")], now=START + TICK)
    found = rows(settings, "select body, severity, opened_at, seen_at from ops.alerts")
    assert found == [("4 files are rot.", "warning", START, START + TICK)]


def test_an_evaluator_that_knows_nothing_of_runs_leaves_their_alerts_as_they_are(settings: Settings) -> None:
    reconcile(settings, [trouble(key="run:scan"), trouble(), trouble("lag")], now=START)
    report = reconcile(settings, [], now=START + TICK, unasked=["run:", "check:lag"])
    assert report.closed == ("check:rot",)
    assert rows(settings, "select key from ops.alerts where closed_at is null order by key") == [
        ("check:lag",),
        ("run:scan",),
    ]


def test_two_who_look_at_the_same_moment_open_one_alert_and_send_one_message(told: Settings, mailbox: Mailbox) -> None:
    reports: list[AlertReport] = []
    for tick in range(10):
        barrier = threading.Barrier(4)

        def look(now: dt.datetime = START + tick * TICK, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            reports.append(reconcile(told, [trouble()], now=now))

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [report.opened for report in reports if report.opened] == [("check:rot",)]
    assert rows(told, "select count(*) from ops.alerts") == [(1,)]
    assert wait_until(lambda: rows(told, "select count(sent_at) from ops.alerts") == [(1,)], seconds=60)
    assert len(mailbox.messages) == 1


def test_who_finds_another_evaluator_at_work_does_nothing(settings: Settings) -> None:
    with psycopg.connect(settings.require_database_url()) as other:
        other.execute("select pg_advisory_xact_lock(hashtextextended('ibhelm alerts', 0))")
        report = reconcile(settings, [trouble()], now=START)
        assert report.busy
        assert "Somebody else" in str(report)
    assert rows(settings, "select * from ops.alerts") == []


def test_every_opened_and_closed_alert_is_one_line_of_the_log(settings: Settings) -> None:
    with structlog.testing.capture_logs() as lines:
        for minute, conditions in ((0, [trouble()]), (1, [trouble()]), (2, []), (3, [])):
            reconcile(settings, conditions, now=START + dt.timedelta(minutes=minute))
    about = {"key": "check:rot", "severity": "error", "title": "Trouble with rot", "body": trouble().body}
    assert lines == [
        {"event": "alert_opened", "log_level": "warning", **about},
        {"event": "alert_closed", "log_level": "info", **about},
    ]


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (AlertReport(), "Nothing is wrong."),
        (AlertReport(opened=("a",), open_count=3), "3 alerts are open, 1 of them new; 0 are over."),
        (AlertReport(closed=("a",)), "0 alerts are open, 0 of them new; 1 are over."),
    ],
)
def test_a_tick_says_in_a_sentence_what_it_found(report: AlertReport, sentence: str) -> None:
    assert str(report) == sentence
