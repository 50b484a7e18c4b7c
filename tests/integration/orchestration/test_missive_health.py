"""What Dagster, `ops.health` and the alerts say of Missive when something is wrong, and how that heals."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Iterator

import dagster as dg
import pytest
from missive_desk import Desk
from missive_mirror import differences
from missive_office import connected
from teamwork_office import in_haste

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.demo.missive import actions
from ibhelm_pipelines.demo.missive.faults import MissiveFaults
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.settings import Settings
from resources.platform import Platform


@pytest.fixture
def missive(monkeypatch: pytest.MonkeyPatch) -> Iterator[MissiveSimulator]:
    in_haste(monkeypatch)
    with MissiveSimulator(conversations=24, rate_limit=False) as simulator:
        yield simulator


@pytest.fixture
def office(missive: MissiveSimulator, settings: Settings, instance: dg.DagsterInstance, platform: Platform) -> Desk:
    return Desk(missive, connected(settings, missive), instance, platform)


def test_one_missing_mail_fails_the_check_by_name_and_the_nightly_sync_brings_it_back(office: Desk) -> None:
    office.sync()
    [(number, conversation, subject)] = office.rows(
        "select e.missive_id, c.missive_id, c.subject from emails e join conversations c on c.id = e.conversation_id"
        " where e.deleted_at is null and c.deleted_at is null and c.subject <> '' order by e.id limit 1"
    )
    office.rows("delete from email_attachments where missive_email_id = %s returning 1", number)
    office.rows("delete from emails where missive_id = %s returning 1", number)
    for at_any_moment in (False, True):
        answers = office.answers(at_any_moment=at_any_moment)
        assert set(answers) == {"missive_messages_missing"}
        assert subject in answers["missive_messages_missing"]
    state, detail = office.health()
    assert (state, "1 without all their messages" in detail) == ("warning", True)
    evaluation = next(e for e in office.sync().get_asset_check_evaluations() if not e.passed)
    assert (evaluation.check_name, evaluation.severity) == ("missive_messages_missing", dg.AssetCheckSeverity.ERROR)

    office.rows("insert into ops.forgotten_messages values (%s, %s) returning 1", number, conversation)
    assert office.answers() == {}, "what a person wanted to be forgotten is not missing"
    office.rows("delete from ops.forgotten_messages returning 1")
    assert office.sync(full=True).success
    assert office.answers() == {}
    assert office.one("select count(*) from emails where missive_id = %s", number) == 1


def test_a_conversation_that_cannot_be_read_is_a_warning_at_once_and_fails_the_check_after_two_hours(
    office: Desk,
) -> None:
    office.sync()
    conversation = office.write_mail()
    office.missive.faults = MissiveFaults(forbidden=(f"/v1/conversations/{conversation['id']}/messages",))
    office.sync()
    assert set(office.answers()) == {"missive_messages_missing"}, "asked after a sync it is strict"
    assert office.answers(at_any_moment=True) == {}
    state, detail = office.health()
    assert (state, "1 conversations still to be read" in detail) == ("warning", True)
    office.rows("update ops.conversation_reads set due_at = due_at - interval '3 hours' where error is not null")
    assert set(office.answers(at_any_moment=True)) == {"missive_conversations_not_read"}
    office.missive.faults = MissiveFaults()
    office.rows("update ops.conversation_reads set next_try_at = now() where error is not null")
    office.sync()
    assert office.answers() == {}


def test_lists_are_not_stale_while_somebody_reads_and_gets_on(office: Desk) -> None:
    office.sync()
    office.age("31 minutes")
    assert set(office.answers()) == {"missive_stale"}
    office.rows(
        "update ops.conversation_reads set read_at = now()"
        " where missive_id = (select min(missive_id) from conversations)"
    )
    assert set(office.answers()) == {"missive_stale"}, "a webhook's reading is none of the lists"
    with connect(office.settings.require_database_url(), application="test", autocommit=True) as another:
        another.execute(load_queries("missive")["lock_reading"])
        assert office.answers() == {}
        office.age("31 minutes")
        assert set(office.answers()) == {"missive_stale"}, "it does not get on"


def test_what_a_webhook_named_is_late_only_while_syncs_go_well_and_given_up_until_everything_was_read(
    office: Desk,
) -> None:
    item = "insert into ops.inbox (source, kind, key, label, first_event_at, poisoned_at, error) values"
    late, given_up = "select count(*) from ops.late_events", "select count(*) from ops.given_up_events"
    office.rows(f"{item} ('missive', 'conversation', 'a', 'a', now() - interval '6 minutes', null, null) returning 1")
    assert office.one(late) == 0, "nothing of Missive was ever read"
    office.sync()
    office.rows("update ops.sync_cursors set steady_since = now() - interval '6 minutes' returning 1")
    assert office.one(late) == 1
    office.age("11 minutes")
    assert office.one(late) == 0, "the failed syncs say so"
    office.age("-11 minutes")
    office.rows("update ops.sync_cursors set switched_off_at = now() returning 1")
    assert office.one(late) == 0

    office.rows("delete from ops.inbox returning 1")
    office.rows(f"{item} ('missive', 'conversation', 'a', 'a', now(), now(), 'It fails.') returning 1")
    office.sync()
    assert office.one(given_up) == 1
    office.rows("update ops.sync_cursors set full_synced_at = now() where resource <> 'contents' returning 1")
    assert office.one(given_up) == 1, "everything was listed, and what is in it not yet read"
    office.sync(full=True)
    assert office.one(given_up) == 0


def test_refused_deletions_fail_the_check_until_a_person_confirms_them(office: Desk) -> None:
    office.sync()
    simulated = office.missive.office
    with_comments = "select conversation_id from email_comments where deleted_at is null order by id limit 1"
    most = f"select missive_id from conversations where deleted_at is null and id <> ({with_comments}) limit 12"
    for (number,) in office.rows(most):
        actions.delete_conversation(simulated, simulated.tables["conversations"][number])
    office.sync(full=True)
    assert "missive_deletions_refused" in office.answers()
    assert office.health()[0] == "error"
    assert office.sync(full=True, confirm_deletions=True).success
    assert office.answers() == {}
    assert differences(office.settings, office.missive.truth()) == []
