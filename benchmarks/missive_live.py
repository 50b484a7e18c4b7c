"""Times the way from a mail in Missive to its row, over its webhook, against one bare GET of the same conversation.

    python -m benchmarks.missive_live [--mails 40] [--conversations 300]

The receiver and one worker run as processes, with the budget of a real account; the simulator signs and posts as
Missive does. The clock runs from the mail in the simulator until another connection sees it in `emails`; half a second
of that the worker waits for other rules to tell of the same. Prints median, 95th percentile and worst.
"""

from __future__ import annotations

import argparse
import time
from random import Random
from typing import Any

import requests
from pydantic import SecretStr

from benchmarks._live import PORT, SECRET, empty_office, measure, settings_of
from ibhelm_pipelines.demo.missive import actions
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.missive.writer import Writer
from ibhelm_pipelines.vendors.missive.sync import sync

PLENTY = 100_000_000
PER_15_MINUTES = 900
"""The budget of a real account: the worker waits for it as it would there."""

PAUSE_SECONDS = 5.0
"""Between two mails: a conversation is four requests or more of one a second."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=40)
    parser.add_argument("--conversations", type=int, default=300)
    args = parser.parse_args()
    simulator = MissiveSimulator(conversations=args.conversations, rate_limit=False)
    with simulator as missive, empty_office() as (folder, database):
        settings = settings_of(
            folder,
            database,
            missive_url=missive.url,
            missive_token=SecretStr(missive.token),
            missive_allowed=tuple(f"team:{row['id']}" for row in missive.office.live("teams")),
            missive_requests_per_15_minutes=PER_15_MINUTES,
            missive_webhook_secret=SecretStr(SECRET),
            attachment_inbox="off",
        )
        sync(settings.model_copy(update={"missive_requests_per_15_minutes": PLENTY}))
        url = f"http://127.0.0.1:{PORT}/webhooks/missive"
        organization = next(iter(missive.office.tables["organizations"]))
        missive.webhooks.add(kind="incoming_email", url=url, secret=SECRET, organization=organization)
        conversations = [row for row in missive.office.live("conversations") if row["team"] is not None]
        measure(
            settings,
            lambda number: add_mail(missive, conversations[number % len(conversations)], number),
            lambda: get(missive, conversations[0]),
            changes=args.mails,
            pause_seconds=PAUSE_SECONDS,
        )


def add_mail(missive: MissiveSimulator, conversation: dict[str, Any], number: int) -> tuple[float, str, list[Any]]:
    subject = f"Neu {number} {time.time_ns()}"
    with missive.office.lock:
        writer = Writer(missive.office, Random(number))
        row = writer.mail(conversation, at=missive.office.now(), incoming=True, subject=subject)
        started = time.perf_counter()
        actions.add_message(missive.office, {**row, "subject": subject})
    return started, "select 1 from emails where subject = %s", [subject]


def get(missive: MissiveSimulator, conversation: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {missive.token}"}
    requests.get(f"{missive.url}/conversations/{conversation['id']}", headers=headers, timeout=30).raise_for_status()


if __name__ == "__main__":
    main()
