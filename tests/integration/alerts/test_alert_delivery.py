"""Messages arrive, whatever stands in their way, and what stands in their way never holds up the looking."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import psycopg
import structlog
from alert_office import DAY, START, TICK, rows, trouble
from pydantic import SecretStr

from ibhelm_pipelines.alerts.reconcile import reconcile
from ibhelm_pipelines.local.process import wait_until

if TYPE_CHECKING:
    from alert_office import Mailbox

    from ibhelm_pipelines.settings import Settings


def _with_urls(settings: Settings, *urls: str) -> Settings:
    return settings.model_copy(update={"alert_urls": SecretStr(" ".join(urls))})


def _dead_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"json://127.0.0.1:{server.getsockname()[1]}/geheim"


def _sent(settings: Settings) -> list[tuple[bool, str | None]]:
    return [(sent is not None, error) for sent, error in rows(settings, "select sent_at, send_error from ops.alerts")]


def test_a_message_that_is_refused_is_tried_again_at_the_next_look(told: Settings, mailbox: Mailbox) -> None:
    mailbox.status = 503
    reconcile(told, [trouble()], now=START)
    assert _sent(told) == [(False, "Address number 1 in IBHELM_ALERT_URLS (JSON) answered 503.")]

    mailbox.status = 200
    reconcile(told, [trouble()], now=START + TICK)
    assert _sent(told) == [(True, None)]
    assert len(mailbox.messages) == 1


def test_a_dead_address_among_others_is_named_and_tells_the_others_no_second_time(
    settings: Settings, mailbox: Mailbox
) -> None:
    told = _with_urls(settings, _dead_url(), mailbox.url)
    for tick in range(20):
        reconcile(told, [trouble()], now=START + tick * TICK)
    assert len(mailbox.messages) == 1
    assert _sent(told) == [(True, "Address number 1 in IBHELM_ALERT_URLS (JSON) did not take it.")]


def test_an_address_that_nobody_knows_is_named_by_its_number_and_the_others_are_told(
    settings: Settings, mailbox: Mailbox
) -> None:
    told = _with_urls(settings, "taubenpost://geheim@turm", mailbox.url)
    reconcile(told, [trouble()], now=START)
    assert len(mailbox.messages) == 1
    [(_, error)] = _sent(told)
    assert "Address number 1 in IBHELM_ALERT_URLS (taubenpost://...) is none that Apprise knows." in str(error)


def test_a_server_that_never_answers_holds_up_no_look_and_gets_the_message_once(
    told: Settings, mailbox: Mailbox
) -> None:
    mailbox.may_answer.clear()
    for tick in range(3):
        reconcile(told, [trouble()], now=START + tick * TICK)  # comes back although nobody has answered
    assert (mailbox.requests, mailbox.messages) == (1, [])
    assert _sent(told) == [(False, None)]

    mailbox.may_answer.set()
    assert wait_until(lambda: _sent(told) == [(True, None)], seconds=60)
    reconcile(told, [trouble()], now=START + 4 * TICK)
    assert len(mailbox.messages) == 1


def test_what_comes_back_while_it_is_told_to_be_over_is_told_anew(told: Settings, mailbox: Mailbox) -> None:
    reconcile(told, [trouble()], now=START)
    reconcile(told, [], now=START + TICK)
    mailbox.may_answer.clear()
    reconcile(told, [], now=START + 21 * TICK)  # the message that it is over is under way
    reconcile(told, [trouble()], now=START + 20 * TICK)  # the clock of this one is behind
    mailbox.may_answer.set()
    assert wait_until(lambda: len(mailbox.messages) == 2, seconds=60)

    def told_anew() -> bool:
        reconcile(told, [trouble()], now=START + 22 * TICK)
        return len(mailbox.messages) == 3

    assert wait_until(told_anew, seconds=60)
    assert rows(told, "select count(*), count(closed_at) from ops.alerts") == [(1, 0)]


def test_without_addresses_alerts_stand_in_the_table_and_are_told_when_there_is_one(
    settings: Settings, mailbox: Mailbox
) -> None:
    reconcile(settings, [trouble()], now=START)
    assert _sent(settings) == [(False, None)]
    reconcile(_with_urls(settings, mailbox.url), [trouble()], now=START + DAY)
    assert mailbox.titles() == ["IBHelm: Trouble with rot"]


def test_no_part_of_an_address_is_written_to_the_log_or_the_table(settings: Settings) -> None:
    told = _with_urls(settings, _dead_url(), "taubenpost://geheim@turm")
    with structlog.testing.capture_logs() as lines:
        reconcile(told, [trouble()], now=START)
    assert any(line["event"] == "alerts_not_sent" for line in lines)
    assert "geheim" not in str(lines) + str(rows(told, "select * from ops.alerts"))


def test_a_secret_in_what_is_wrong_gets_into_no_table_no_log_and_no_mail(told: Settings, mailbox: Mailbox) -> None:
    password = psycopg.conninfo.conninfo_to_dict(told.require_database_url())["password"]
    wrong = trouble(body=f"No answer from {told.require_database_url()}, password {password}.")
    with structlog.testing.capture_logs() as lines:
        reconcile(told, [wrong], now=START)
    assert "No answer from" in str(mailbox.messages)
    assert str(password) not in str(lines) + str(mailbox.messages) + str(rows(told, "select * from ops.alerts"))


def test_a_name_that_no_person_would_give_a_file_breaks_no_message(told: Settings, mailbox: Mailbox) -> None:
    reconcile(told, [trouble(body="Such as a\nNew:\n- \u202egnp.fdp\x07" + "x" * 5000)], now=START)
    [message] = mailbox.messages
    assert "Such as a New: - \ufffdgnp.fdp\ufffdxxx" in message["message"]
    assert len(message["message"]) < 2000
