"""From a webhook of Missive to the row: within seconds, never lost, one reading for many posts, before all others."""

from __future__ import annotations

import dataclasses
import json
import threading
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import tables
from live_desk import Desk, Workers, becomes, item
from missive_mirror import differences, wanted_conversations
from missive_office import connected
from tampering_proxy import Given, proxy
from teamwork_office import in_haste
from webhook_sender import SECRETS, environment, running

from ibhelm_pipelines.demo.missive import actions
from ibhelm_pipelines.demo.missive.faults import MissiveFaults
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.missive.webhooks import API_TYPES, APP_TYPES
from ibhelm_pipelines.demo.missive.writer import Writer
from ibhelm_pipelines.live.inbox import Inbox
from ibhelm_pipelines.live.missive import claim_attachments, claim_conversations
from ibhelm_pipelines.live.worker import drain
from ibhelm_pipelines.vendors import budget
from ibhelm_pipelines.vendors.missive import api
from ibhelm_pipelines.vendors.missive.sync import sync, sync_conversations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tampering_proxy import Asked
    from webhook_sender import Receiver

    from ibhelm_pipelines.live.worker import DrainReport
    from ibhelm_pipelines.settings import Settings

NAMES = ("new mail", "reply", "comment", "label on or off", "assign", "close", "reopen")


@dataclasses.dataclass
class Office:
    """A simulated Missive that was read once, and our inbox."""

    missive: MissiveSimulator
    settings: Settings
    desk: Desk

    def conversation(self) -> dict[str, Any]:
        """One of a team, with mails."""
        rows = wanted_conversations(self.missive.truth()).values()
        found = next(row for row in rows if row["team"] and row["messages_count"] and not row["trashed"])
        return self.missive.office.tables["conversations"][found["id"]]

    def mail(self, subject: str, *contents: str) -> str:
        """Let a mail come in with these attachments; return the id of its conversation."""
        simulated = self.missive.office
        with simulated.lock:
            conversation, writer = self.conversation(), Writer(simulated, Random(subject))
            row = writer.mail(conversation, at=simulated.now(), incoming=True, subject=subject)
            row |= {"subject": subject, "attachments": [writer.attachment(each) for each in contents]}
            actions.add_message(simulated, row)
        return str(conversation["id"])

    def hook(self, number: str) -> None:
        self.desk.put(item("missive", "conversation", number))

    def drained(self) -> DrainReport:
        """Work off what was named, as if that had been a while ago."""
        self.desk.rows("update ops.inbox set last_event_at = now() - interval '1 minute', due_at = now()")
        return drain(self.settings)

    def has(self, subject: str) -> bool:
        return tables.ask(self.desk.url, "select from emails where subject = %s", subject) != []

    def asked_for(self, conversation: str) -> int:
        return self.missive.requests.by_path[f"/v1/conversations/{conversation}"]

    def rules(self, url: str) -> None:
        """Make a rule of each kind, for the organisation and for the token's user."""
        organization = next(iter(self.missive.office.tables["organizations"]))
        for kind in (*API_TYPES, *APP_TYPES):
            for whose in (organization, None):
                self.missive.webhooks.add(kind=kind, url=url, secret=SECRETS["missive"], organization=whose)


@pytest.fixture
def office(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    in_haste(monkeypatch)
    with MissiveSimulator(conversations=24, rate_limit=False, webhook_retry_seconds=(0.5,) * 60) as missive:
        settings = connected(settings, missive, attachment_inbox="off")
        sync(settings)
        yield Office(missive, settings, Desk(settings))


@pytest.fixture
def workers(office: Office, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(office.settings, tmp_path / "workers.log", lease_seconds=2)
    yield workers
    for process in list(workers.processes):
        workers.kill(process)


@pytest.fixture
def receiver(settings: Settings, tmp_path: Path) -> Iterator[Receiver]:
    with running(environment(settings.require_database_url(), tmp_path)) as receiver:
        yield receiver


def test_a_mail_in_missive_is_soon_a_row_and_told_for_its_month(
    office: Office, workers: Workers, receiver: Receiver
) -> None:
    workers.start()
    office.rules(f"{receiver.url}/webhooks/missive")
    office.mail("Heizkreis 3 umplanen")
    becomes(lambda: office.has("Heizkreis 3 umplanen"), because=workers.log)
    becomes(office.desk.is_empty, because=workers.log)
    told = office.desk.rows("select distinct asset from ops.outbox where folder ~ '^[0-9]{4}-[0-9]{2}-01$'")
    assert ("missive_emails",) in told
    assert workers.stop() == [0]


def test_fifty_posts_of_one_conversation_are_one_reading(office: Office, workers: Workers, receiver: Receiver) -> None:
    conversation = office.mail("Fünfzig Regeln")
    for number in range(50):
        rule = {"id": str(number), "type": ("incoming_email", "label_change", "something new")[number % 3]}
        body = json.dumps({"rule": rule, "conversation": {"id": conversation}}).encode()
        assert receiver.post("missive", body).status == 200
    assert office.desk.rows("select events from ops.inbox") == [(50,)]
    workers.start()
    becomes(lambda: office.has("Fünfzig Regeln") and office.desk.is_empty(), because=workers.log)
    assert office.asked_for(conversation) == 1


def test_lost_doubled_late_and_reordered_posts_leave_what_the_next_sweep_makes_whole(
    office: Office, workers: Workers, receiver: Receiver
) -> None:
    office.rules(f"{receiver.url}/webhooks/missive")
    assert office.missive.webhooks.settle()
    office.missive.faults = MissiveFaults(
        webhook_missing=0.2, webhook_duplicate=0.3, webhook_late=0.2, webhook_reordered=0.3
    )
    workers.start()
    office.missive.mutate(seed=5, count=40, names=NAMES)
    assert office.missive.webhooks.settle()
    becomes(office.desk.is_empty, because=workers.log)
    assert receiver.metric("duplicate_total", vendor="missive") > 0
    office.missive.faults = MissiveFaults()
    sync(office.settings, full=True)
    assert differences(office.settings, office.missive.truth()) == []
    assert workers.stop() == [0]


def test_what_is_not_signed_with_our_secret_is_refused_and_names_nothing(office: Office, receiver: Receiver) -> None:
    url, organization = f"{receiver.url}/webhooks/missive", next(iter(office.missive.office.tables["organizations"]))
    hook = office.missive.webhooks.add(
        kind="incoming_email", url=url, secret="somebody else's", organization=organization
    )
    office.mail("Gefälscht")
    becomes(lambda: hook.failures >= 2)
    assert office.desk.is_empty()
    assert receiver.metric("rejected_total", vendor="missive", reason="wrong_signature") >= 2


@pytest.mark.parametrize(
    ("trial", "key", "prefix"),
    [("empty", "message", True), ("rule", "latest_message", False), ("none", "latest_message", True)],
)
def test_rules_are_believed_however_missive_tries_signs_and_spells(
    office: Office, receiver: Receiver, trial: str, key: str, prefix: bool
) -> None:
    """The trial comes before a person can have set the secret: it is answered well, and nothing is stored."""
    office.missive.switches = dataclasses.replace(
        office.missive.switches, webhook_validation=trial, webhook_message_key=key, webhook_signature_prefix=prefix
    )
    organization = next(iter(office.missive.office.tables["organizations"]))
    made = {"url": f"{receiver.url}/webhooks/missive", "organization": organization}
    hook = office.missive.webhooks.add(kind="incoming_email", **made)
    assert office.missive.webhooks.settle()
    assert hook.failures == 0
    assert office.desk.rows("select count(*) from ops.webhook_deliveries") == [(0,)]
    office.mail("Ohne Unterschrift")
    becomes(lambda: hook.failures > 0)
    assert office.desk.is_empty()
    del office.missive.webhooks.hooks[hook.id]
    office.missive.webhooks.add(kind="incoming_email", secret=SECRETS["missive"], **made)
    conversation = office.mail("Mit Unterschrift")
    named = "select convert_from(key, 'UTF8') from ops.inbox"
    becomes(lambda: office.desk.rows(named) == [(conversation,)])
    assert office.drained().done == 1
    assert office.has("Mit Unterschrift")


def test_a_worker_that_is_killed_in_the_middle_loses_nothing(office: Office, tmp_path: Path) -> None:
    conversation, stuck = office.mail("Nach dem Absturz"), threading.Event()
    office.hook(conversation)
    with proxy(office.missive.url) as between:

        def hold(asked: Asked) -> Given | None:
            if asked.path.endswith("/messages") and not stuck.is_set():
                stuck.set()
                between.before = lambda _: None
                threading.Event().wait(3)
            return None

        between.before = hold
        settings = office.settings.model_copy(update={"missive_url": between.url})
        workers = Workers(settings, tmp_path / "workers.log", lease_seconds=2)
        workers.start()
        assert stuck.wait(60), workers.log()
        workers.kill(workers.processes[0])
        assert not office.has("Nach dem Absturz")
        assert not office.desk.is_empty()
        workers.start()
        becomes(lambda: office.has("Nach dem Absturz") and office.desk.is_empty(), because=workers.log)
        assert workers.stop() == [0]


def test_one_worker_at_a_time_asks_missive_and_another_may_fetch_attachments_meanwhile(office: Office) -> None:
    for number in ("a", "b", "c"):
        office.hook(number)
    office.desk.put(item("missive", "attachments", "a"))
    office.desk.rows("update ops.inbox set last_event_at = now() - interval '1 minute'")
    first, second = (Inbox(office.settings, owner=name) for name in ("first", "second"))
    office.desk.rows("update ops.inbox set due_at = now() + interval '1 hour' where label in ('b', 'c')")
    batch = claim_conversations(first)
    assert batch is not None
    assert [(each.kind, each.label) for each in batch.items] == [("conversation", "a")]
    office.desk.make_due()
    assert claim_conversations(second) is None
    fetched = claim_attachments(second)
    assert fetched is not None
    assert [(each.kind, each.label) for each in fetched.items] == [("attachments", "a")]
    first.done(batch.ids)
    rest = claim_conversations(second)
    assert rest is not None
    assert [each.label for each in rest.items] == ["b", "c"]
    for inbox in (first, second):
        inbox.close()


def test_what_is_named_again_and_again_is_taken_after_a_while_all_the_same(office: Office) -> None:
    inbox = Inbox(office.settings, owner="test")
    office.hook("a")
    office.desk.rows("update ops.inbox set last_event_at = now() + interval '1 hour'")
    assert claim_conversations(inbox) is None
    office.desk.age("a", 6)
    assert claim_conversations(inbox) is not None
    inbox.close()


def test_while_missive_is_away_everything_waits_and_nothing_is_given_up(office: Office) -> None:
    office.hook(office.mail("Nach dem Ausfall"))
    office.hook("00000000-0000-4000-8000-000000000000")
    office.missive.faults = MissiveFaults(bad_gateway=1)
    for _ in range(6):
        report = office.drained()
        assert (report.left, report.problem) == ({"missive": 2}, None), "the failed runs tell of it"
    assert office.desk.rows("select distinct attempts, poisoned_at from ops.inbox") == [(0, None)]
    office.missive.faults = MissiveFaults()
    assert office.drained().done == 2
    assert office.has("Nach dem Ausfall")


def test_a_conversation_that_has_no_good_answer_is_given_up_alone(office: Office) -> None:
    broken = "00000000-0000-4000-8000-000000000001"
    for number in (broken, office.mail("Geht")):
        office.hook(number)
    with proxy(office.missive.url) as between:
        between.before = lambda asked: Given(502, b"") if broken in asked.path else None
        office.settings = office.settings.model_copy(update={"missive_url": between.url})
        for _ in range(6):
            office.drained()
    assert office.has("Geht")
    assert office.desk.labels("poisoned_at is not null") == {broken}


@pytest.mark.parametrize("why", ["no token", "never read", "nobody allowed"])
def test_without_a_token_before_the_first_reading_or_without_a_policy_items_are_kept(office: Office, why: str) -> None:
    office.hook(office.mail("Vorher"))
    before, there = office.settings, office.desk.rows("select * from ops.sync_cursors")
    if why == "no token":
        office.settings = before.model_copy(update={"missive_token": None})
    elif why == "never read":
        office.desk.rows("update ops.sync_cursors set full_synced_at = null where resource = 'contacts'")
    else:
        office.settings = before.model_copy(update={"missive_allowed": None})
    assert there
    assert office.drained().done == 0
    assert office.desk.rows("select attempts, poisoned_at from ops.inbox") == [(0, None)]
    assert not office.has("Vorher")
    office.settings = before
    sync(office.settings, full=True)
    assert office.drained().done == 1
    assert office.has("Vorher")


def test_attachments_of_a_named_conversation_come_to_the_nas_and_a_slow_one_keeps_no_mail_waiting(
    office: Office, tmp_path: Path
) -> None:
    office.settings = office.settings.model_copy(update={"attachment_inbox": "on"})
    office.missive.faults = MissiveFaults(attachment_slow=1, slow_seconds=10)
    workers = Workers(office.settings, tmp_path / "workers.log", lease_seconds=2)
    saved = "select count(*) from email_attachments where saved_at is not null"
    try:
        workers.start()
        office.hook(office.mail("Mit Angebot", "offer:0"))
        becomes(lambda: office.desk.rows("select from ops.attachment_files"), because=workers.log)
        office.hook(office.mail("Danach"))
        becomes(lambda: office.has("Danach"), because=workers.log)
        assert office.desk.rows(saved) == [(0,)], "it is still being fetched"
        office.missive.faults = MissiveFaults()
        becomes(lambda: office.desk.rows(saved) != [(0,)] and office.desk.is_empty(), because=workers.log)
        told = office.desk.rows("select (counts ->> 'saved')::int from ops.outbox where asset = 'email_attachments'")
        assert sum(count for (count,) in told) >= 1
        assert workers.stop() == [0]
    finally:
        for process in list(workers.processes):
            workers.kill(process)


def test_a_named_conversation_waits_for_no_sweep_and_the_vendors_limits_are_kept(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real limits, in time that runs ten times faster."""
    monkeypatch.setattr(api, "WINDOW_SECONDS", 90)
    with MissiveSimulator(conversations=80, rate_limit=True, window_factor=0.1) as missive, proxy(missive.url) as way:
        here = connected(settings, missive, missive_requests_per_15_minutes=900)
        sweep = threading.Thread(target=sync, args=(here.model_copy(update={"missive_url": way.url}),))
        sweep.start()
        becomes(lambda: len(way.asked) > 100)  # what may go out at once has gone out
        before = len(way.asked)
        chosen = sorted(wanted_conversations(missive.truth()))[0]
        sync_conversations(here, [chosen])
        meanwhile = len(way.asked) - before
        assert sweep.is_alive(), "the sweep is to be under way until then"
        sweep.join()
        assert missive.requests.by_status[429] == 0
        assert missive.requests.most_concurrent <= 2
        assert meanwhile <= 12, "four requests of ours, and their overhead, in which the sweep makes nine a second"
    assert budget.BURST_SHARE * api.RESERVED_REQUESTS < 900
