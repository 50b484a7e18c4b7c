"""Tells people, through whatever Apprise knows: mail, Slack, Teams, ntfy and a hundred more.

A message is sent outside every transaction, by a thread of its own, for which the evaluation waits two seconds and no
longer: a server that does not answer holds up nobody. While the thread is sending it holds a lock, so that nobody else
sends the same again, and when it is done it writes down what came of it. What was not accepted is tried again at the
next evaluation; if the process dies in between, a message may be sent twice, but none is lost.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import apprise
import structlog
from psycopg.rows import class_row

from ibhelm_pipelines.alerts.message import QUIET, REPEAT, Message, Notice, compose
from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError, IbhelmError

if TYPE_CHECKING:
    import datetime as dt

    from apprise import NotifyBase

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

WAIT_SECONDS = 2.0
"""How long an evaluation waits for the sending."""

CONNECT_SECONDS, READ_SECONDS = 10, 60
"""Apprise's own four seconds would call a slow mail server dead, and send the same mail again half a minute later."""

_HTTP_STATUS = re.compile(r"error=(\d{3})\b")


def check_addresses(settings: Settings) -> int:
    """Return to how many addresses alerts go.

    Raises:
        ConfigurationError: Apprise does not know an address. The address itself is a secret and not named.
    """
    return len([_address(url, number) for number, url in _urls(settings)])


def _urls(settings: Settings) -> list[tuple[int, str]]:
    urls = settings.alert_urls.get_secret_value().split() if settings.alert_urls else []
    return list(enumerate(urls, start=1))


def _address(url: str, number: int) -> NotifyBase:
    address = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if address is None:
        raise ConfigurationError(
            f"Address number {number} in IBHELM_ALERT_URLS ({urlsplit(url).scheme or 'no scheme'}://...) is none that "
            "Apprise knows.",
            next_step="See https://appriseit.com for how addresses are written; a space within one is %20.",
        )
    address.socket_connect_timeout = CONNECT_SECONDS
    address.socket_read_timeout = READ_SECONDS
    return address


def due_notices(connection: Connection, now: dt.datetime) -> list[Notice]:
    """Return what people are to be told."""
    times = {"now": now, "quiet": QUIET, "repeat": REPEAT}
    with connection.cursor(row_factory=class_row(Notice)) as cursor:
        return cursor.execute(load_queries("alerts")["due_for_delivery"], times).fetchall()


def deliver(settings: Settings, now: dt.datetime) -> None:
    """Tell people what is due, in the background; come back when that is done, or after two seconds."""
    thread = threading.Thread(target=_deliver, args=(settings, now), name="alert delivery", daemon=True)
    thread.start()
    thread.join(WAIT_SECONDS)


def _deliver(settings: Settings, now: dt.datetime) -> None:
    url = settings.require_database_url()
    try:
        with connect(url, application="alert delivery", autocommit=True) as connection, translated_errors():
            _deliver_alone(connection, settings, now)
    except IbhelmError as error:
        structlog.get_logger().error("alerts_not_delivered", reason=str(error))


def _deliver_alone(connection: Connection, settings: Settings, now: dt.datetime) -> None:
    sql = load_queries("alerts")
    if connection.execute(sql["lock_delivery"]).fetchone() != (True,):
        return  # another thread is sending; what it leaves, the next evaluation takes
    notices = due_notices(connection, now)
    if not notices:
        return  # another thread has just sent it
    accepted, refusals = _send(settings, compose(notices))
    values: dict[str, Any] = {"now": now, "ids": [n.id for n in notices], "error": " ".join(refusals) or None}
    if accepted:
        connection.execute(sql["note_delivered"], {**values, "over": [n.id for n in notices if n.what == "over"]})
    else:
        connection.execute(sql["note_failed_delivery"], values)
    _log(accepted, refusals, len(notices))


def _send(settings: Settings, message: Message) -> tuple[int, list[str]]:
    """Send to every address; return how many took it, and why others did not.

    One that took it is enough: else a dead address would have all others told again every half a minute.
    """
    reasons = [_send_to(url, number, message) for number, url in _urls(settings)]
    refusals = [reason for reason in reasons if reason]
    return len(reasons) - len(refusals), refusals


def _send_to(url: str, number: int, message: Message) -> str:
    """Send to one address; return why it did not take it, or nothing.

    Apprise's own words are not repeated, because they may hold parts of the address.
    """
    try:
        address = _address(url, number)
    except ConfigurationError as error:
        return str(error)
    sender, entries = apprise.Apprise(), list[str]()
    sender.add(address)
    kind = apprise.NotifyType.SUCCESS if message.good_news else apprise.NotifyType.WARNING
    sent = sender.notify(
        body=message.body,
        title=message.title,
        notify_type=kind,
        body_format=apprise.NotifyFormat.TEXT.value,
        log_callback=lambda entry, _service: entries.append(entry.message),
    )
    status = next((match[1] for match in map(_HTTP_STATUS.search, entries) if match), "")
    reason = f"answered {status}" if status else "did not take it"
    return "" if sent else f"Address number {number} in IBHELM_ALERT_URLS ({address.service_name}) {reason}."


def _log(accepted: int, refusals: list[str], count: int) -> None:
    log = structlog.get_logger()
    if accepted:
        log.info("alerts_sent", alerts=count, addresses=accepted)
    if refusals:
        log.error("alerts_not_sent", alerts=count, reasons=refusals)
