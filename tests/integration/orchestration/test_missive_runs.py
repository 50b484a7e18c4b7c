"""Missive through Dagster: what is stored, what is told of which month, how trouble shows, and how it heals."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import tables
from missive_mirror import differences
from missive_office import PLENTY, connected
from nas_tree import Nas
from teamwork_office import in_haste

from assets import missive_job
from assets.missive import DESCRIPTIONS, MISSIVE, email_attachments, missive_directory, missive_months
from assets.missive_job import missive_sync_job
from ibhelm_pipelines.db.checks import MISSIVE_QUESTIONS, ask
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.definitions import defs
from ibhelm_pipelines.demo.missive import actions
from ibhelm_pipelines.demo.missive.faults import MissiveFaults
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.settings import Settings
from resources.lanes import FULL_TAG, MISSIVE_ASSETS, MISSIVE_SYNC_JOB
from resources.platform import Platform
from sensors.schedules import TIMEZONE, missive_full_sync, missive_quick_sync

ROWS = "dagster/row_count"
MONTHLY = {*DESCRIPTIONS, "email_attachments"}
Told = dict[tuple[str, str | None], dict[str, Any]]


class Office:
    """A simulated Missive, our tables of it, the job that reads it, and the assets."""

    def __init__(
        self, missive: MissiveSimulator, settings: Settings, instance: dg.DagsterInstance, platform: Platform
    ) -> None:
        self.missive, self.settings, self.instance = missive, settings, instance
        self.platform = Platform(
            overrides={
                **platform.overrides,
                "missive_url": missive.url,
                "missive_token": missive.token,
                "missive_allowed": ",".join(settings.missive_allowed or ()),
                "missive_requests_per_15_minutes": str(PLENTY),
                "attachment_inbox": settings.attachment_inbox,
            },
            first_pause_seconds=0,
        )

    def with_settings(self, **more: str | None) -> Platform:
        """The platform with other settings; None: without this one."""
        changed = {**self.platform.overrides, **more}
        left = {name: value for name, value in changed.items() if value is not None}
        return Platform(overrides=left, first_pause_seconds=0)

    def sync(self, platform: Platform | None = None, **config: Any) -> dg.ExecuteInProcessResult:
        return missive_sync_job.execute_in_process(
            instance=self.instance,
            resources={"platform": platform or self.platform},
            run_config={"ops": {"read_missive": {"config": config}}},
            raise_on_error=False,
        )

    def materialize(self, *names: str, platform: Platform | None = None, **how: Any) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [MISSIVE, missive_directory, missive_months, email_attachments],
            selection=list(names),
            instance=self.instance,
            resources={"platform": platform or self.platform},
            raise_on_error=False,
            **how,
        )

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return tables.ask(self.settings.require_database_url(), query, *values)

    def one(self, query: str, *values: Any) -> Any:
        [(value,)] = self.rows(query, *values)
        return value

    def cursors(self) -> list[tuple[Any, ...]]:
        return self.rows("select resource, watermark, synced_at, full_synced_at from ops.sync_cursors order by 1")

    def age(self, interval: str) -> None:
        """Let everything have been read so long ago."""
        self.rows(
            "update ops.sync_cursors set synced_at = synced_at - %s::interval,"
            " full_synced_at = full_synced_at - %s::interval",
            interval,
            interval,
        )
        self.rows(
            "update ops.conversation_reads set listed_at = listed_at - %s::interval, read_at = read_at - %s::interval",
            interval,
            interval,
        )

    def answers(self, *, at_any_moment: bool = False) -> dict[str, str]:
        """The sentences of the checks that fail, by name."""
        questions = [q.at_any_moment() if at_any_moment else q for q in MISSIVE_QUESTIONS]
        with connect(self.settings.require_database_url(), application="test", autocommit=True) as connection:
            return {q.name: answer.problem for q in questions if not (answer := ask(connection, q)).passed}

    def health(self) -> tuple[str, str]:
        [(state, detail)] = self.rows("select state, detail from ops.health where subject = 'missive'")
        return state, detail

    def months(self) -> set[str]:
        """Of all live conversations."""
        query = "select last_activity_at from conversations where deleted_at is null"
        return {f"{when:%Y-%m}-01" for (when,) in self.rows(query)}

    def write_mail(self) -> dict[str, Any]:
        """Somebody answers; return the conversation."""
        office = self.missive.office
        conversation_id = self.one(
            "select missive_id from conversations where deleted_at is null and messages_count > 0 order by id limit 1"
        )
        conversation: dict[str, Any] = office.tables["conversations"][conversation_id]
        known = next(iter(office.inside("messages", conversation_id)))
        now = office.now()
        new = {name: value for name, value in known.items() if name != "id"}
        new |= {"created_at": now, "delivered_at": now, "updated_at": now, "attachments": [], "_incoming": True}
        actions.add_message(office, new)
        return conversation


@pytest.fixture
def missive(monkeypatch: pytest.MonkeyPatch) -> Iterator[MissiveSimulator]:
    in_haste(monkeypatch)
    with MissiveSimulator(conversations=24, rate_limit=False) as simulator:
        yield simulator


@pytest.fixture
def office(missive: MissiveSimulator, settings: Settings, instance: dg.DagsterInstance, platform: Platform) -> Office:
    return Office(missive, connected(settings, missive), instance, platform)


def _told(result: dg.ExecuteInProcessResult) -> Told:
    """The numbers of each asset and month that was told of."""
    return {
        (event.asset_key.to_user_string(), event.partition): {n: v.value for n, v in event.metadata.items()}
        for event in _materializations(result)
    }


def _materializations(result: dg.ExecuteInProcessResult) -> list[dg.AssetMaterialization]:
    events = [e for e in result.all_events if e.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION]
    return [event.step_materialization_data.materialization for event in events]


def test_one_run_makes_the_tables_equal_missive_and_tells_of_each_month_with_its_rows(office: Office) -> None:
    result = office.sync()
    assert result.success
    assert differences(office.settings, office.missive.truth()) == []
    told = _told(result)
    assert {asset for asset, _ in told} == MISSIVE_ASSETS == {"missive_directory", *MONTHLY}
    for asset, table in zip(DESCRIPTIONS, ("conversations", "emails", "email_comments"), strict=True):
        count = sum(numbers[ROWS] for (name, _), numbers in told.items() if name == asset)
        assert count == office.one(f"select count(*) from {table} where deleted_at is null")
    assert {month for asset, month in told if asset == "missive_conversations"} == office.months()
    assert told["missive_directory", None]["new"] > 0
    assert office.answers() == {}
    state, detail = office.health()
    assert (state, detail.startswith("mails of "), ";" in detail) == ("ok", True, False)


def test_a_quick_run_tells_only_of_the_month_in_which_something_changed(office: Office) -> None:
    assert len(office.sync().get_asset_check_evaluations()) == len(MISSIVE_QUESTIONS)
    result = office.sync()
    assert _told(result) == {}
    assert result.get_asset_check_evaluations() == [], "that all is still well is no news"
    office.write_mail()
    told = _told(office.sync())
    month = f"{dt.datetime.now(dt.UTC):%Y-%m}-01"
    assert {at for _, at in told} == {month}
    assert told["missive_emails", month]["new"] == 1
    assert differences(office.settings, office.missive.truth()) == []


def test_what_a_run_stored_and_could_not_tell_is_told_by_the_next(office: Office) -> None:
    with dg.DagsterInstance.ephemeral() as forgetful:
        kept, office.instance = office.instance, forgetful
        assert office.sync().success
        office.instance = kept
    told = _told(office.sync())
    assert {month for asset, month in told if asset == "missive_conversations"} == office.months()
    assert ("missive_directory", None) in told


# --- months -----------------------------------------------------------------------------------------------------------


def test_a_backfill_reads_the_months_of_one_run_once_tells_of_all_three_and_moves_no_cursor(office: Office) -> None:
    office.sync()
    [first, second, *others] = sorted(office.months())[:3]
    office.rows("update emails set subject = 'veraltet' returning 1")
    office.rows("delete from ops.raw_records where kind = 'emails' returning 1")
    before = [row for row in office.cursors() if row[0].startswith("conversations")]
    office.missive.requests.by_path.clear()
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": second}
    result = office.materialize("missive_emails", tags=tags)
    assert result.success
    told = _told(result)
    assert set(told) == {(asset, month) for asset in DESCRIPTIONS for month in _between(first, second)}
    assert [row for row in office.cursors() if row[0].startswith("conversations")] == before
    in_months = "date_trunc('month', c.last_activity_at at time zone 'utc')::date::text"
    stale = office.rows(
        f"select distinct {in_months} = any(%s), e.subject is not distinct from 'veraltet' from emails e"
        " join conversations c on c.id = e.conversation_id where e.deleted_at is null",
        [first, second],
    )
    assert set(stale) == ({(True, False), (False, True)} if others else {(True, False)})
    reads = [n for path, n in office.missive.requests.by_path.items() if path.endswith("/comments")]
    assert reads
    assert max(reads) == 1, "mails and comments of one conversation are one reading"


def _between(first: str, last: str) -> list[str]:
    return MONTHS_OF.get_partition_keys_in_range(dg.PartitionKeyRange(first, last))


MONTHS_OF = dg.MonthlyPartitionsDefinition(start_date="2015-01-01", timezone="UTC", end_offset=1)


def test_a_sync_of_months_reads_them_again(office: Office) -> None:
    office.sync()
    month = max(office.months())
    office.rows("update emails set subject = 'veraltet' returning 1")
    office.rows("delete from ops.raw_records where kind = 'emails' returning 1")
    told = _told(office.sync(months=[month[:7]]))
    assert told["missive_emails", month]["changed"] > 0
    assert {at for asset, at in told if asset == "missive_emails"} == {month}


@pytest.mark.parametrize(
    "config", [{"months": ["2026-13"]}, {"months": ["1999-01"]}, {"full": True, "months": ["2026-05"]}]
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(
    office: Office, config: dict[str, Any], tmp_path: Path
) -> None:
    result = office.sync(**config, report_path=str(tmp_path / "summary.json"))
    assert not result.success
    assert json.loads((tmp_path / "summary.json").read_text())["error"]
    assert office.cursors() == []


def test_the_directory_can_be_read_alone_so_that_the_settings_can_name_what_is_in_it(office: Office) -> None:
    result = office.materialize(
        "missive_directory", platform=office.with_settings(missive_allowed="team:not there yet")
    )
    assert result.success
    assert office.one("select count(*) from missive_teams") > 0
    assert office.one("select count(*) from conversations") == 0


# --- off, or not said what may be read --------------------------------------------------------------------------------


def test_without_a_token_the_assets_say_so_and_nothing_is_late(office: Office) -> None:
    office.sync()
    office.age("3 days")
    assert set(office.answers()) == {"missive_stale", "missive_not_reconciled"}
    assert office.health()[0] == "error"
    off = office.with_settings(missive_token=None)
    for name in ("missive_directory", "missive_emails", "email_attachments"):
        key = None if name == "missive_directory" else "2026-01-01"
        result = office.materialize(name, platform=off, partition_key=key)
        assert result.success
        [event] = _materializations(result)
        assert "IBHELM_MISSIVE_TOKEN is not set" in str(event.metadata["off"].value)
    assert office.answers() == {}
    assert office.health() == ("ok", "switched off")
    assert office.sync(off).success
    assert office.sync().success, "switched on again, it goes on"
    assert office.one("select count(*) from ops.sync_cursors where switched_off_at is not null") == 0


def test_where_it_is_not_said_what_may_be_read_the_run_fails_with_a_sentence_and_reads_nothing(
    office: Office, tmp_path: Path
) -> None:
    result = office.sync(office.with_settings(missive_allowed=None), report_path=str(tmp_path / "summary.json"))
    assert not result.success
    error = json.loads((tmp_path / "summary.json").read_text())["error"]
    assert "IBHELM_MISSIVE_ALLOWED" in error
    assert not office.missive.requests.by_path
    failed = office.materialize(
        "missive_emails", platform=office.with_settings(missive_allowed=None), partition_key="2026-01-01"
    )
    assert not failed.success


# --- checks -----------------------------------------------------------------------------------------------------------


def test_one_missing_mail_fails_the_check_by_name_and_the_nightly_sync_brings_it_back(office: Office) -> None:
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
    office: Office,
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


def test_lists_are_not_stale_while_somebody_reads_and_gets_on(office: Office) -> None:
    office.sync()
    office.age("31 minutes")
    assert set(office.answers()) == {"missive_stale"}
    office.rows(
        "update ops.conversation_reads set read_at = now()"
        " where missive_id = (select min(missive_id) from conversations)"
    )
    assert set(office.answers()) == {"missive_stale"}, "a webhook's reading is none of the lists"
    with connect(office.settings.require_database_url(), application="test", autocommit=True) as another:
        another.execute(load_queries("missive")["try_lock_reading"])
        assert office.answers() == {}
        office.age("31 minutes")
        assert set(office.answers()) == {"missive_stale"}, "it does not get on"


def test_refused_deletions_fail_the_check_until_a_person_confirms_them(office: Office) -> None:
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


# --- attachments ------------------------------------------------------------------------------------------------------


def test_a_run_brings_the_attachments_to_the_nas_and_tells_of_their_months(office: Office, nas: Nas) -> None:
    on = office.with_settings(attachment_inbox="on")
    result = office.sync(on)
    assert result.success, [e for e in result.all_events if e.is_failure]
    assert (
        office.one(
            "select count(*) from email_attachments a join ops.attachments_in_reach using (id)"
            " where content_hash is null and skip_reason is null"
        )
        == 0
    )
    saved = sum(
        numbers["saved"] + numbers["linked"]
        for (asset, _), numbers in _told(result).items()
        if asset == "email_attachments"
    )
    assert saved == office.one("select count(*) from email_attachments where content_hash is not null") > 0
    assert office.answers() == {}
    assert _told(office.sync(on)) == {}


def test_when_the_share_is_away_the_mails_are_stored_and_the_retries_of_a_full_run_do_not_read_them_again(
    office: Office, tmp_path: Path
) -> None:
    away = office.with_settings(attachment_inbox="on", nas_root=str(tmp_path / "nowhere"))
    result = office.sync(away, full=True, report_path=str(tmp_path / "summary.json"))
    assert not result.success
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary["assets"]) == {"missive_directory", *DESCRIPTIONS}
    assert str(tmp_path / "nowhere") in summary["error"]
    assert differences(office.settings, office.missive.truth()) == []
    assert [e.event_type_value for e in result.all_events].count("STEP_RESTARTED") == 3
    assert sum(event.asset_key.to_user_string() == "missive_directory" for event in _materializations(result)) == 1
    lists = [n for path, n in office.missive.requests.by_path.items() if path.endswith("/organizations")]
    assert lists == [1]


def test_a_run_begins_no_further_month_of_attachments_when_its_time_is_over_and_the_next_goes_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missive_job, "ATTACHMENT_SECONDS", -1)
    office.sync()
    planned = "select count(*) from email_attachments where planned_path is not null or skip_reason is not null"
    assert office.one(planned) == 0
    monkeypatch.setattr(missive_job, "ATTACHMENT_SECONDS", 900)
    told = _told(office.sync())
    assert office.one(planned) > 0
    assert {asset for asset, _ in told} == {"email_attachments"}


# --- schedules --------------------------------------------------------------------------------------------------------


def _scheduled(
    schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance, platform: Platform
) -> dg.RunRequest | str | None:
    """The run that the schedule asks for now, or why it asks for none."""
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=dt.datetime.now(dt.UTC),
        repository_def=defs.get_repository_def(),
        resources={"platform": platform},
    ) as context:
        data = schedule.evaluate_tick(context)
    return data.run_requests[0] if data.run_requests else data.skip_message


def _is_full(request: object) -> bool:
    assert isinstance(request, dg.RunRequest)
    job = defs.get_repository_def().get_job(MISSIVE_SYNC_JOB)
    assert dg.validate_run_config(job, request.run_config)
    full = request.run_config["ops"]["read_missive"]["config"]["full"]
    assert (request.tags.get(FULL_TAG) == "true") is full
    return bool(full)


def test_schedules_are_quick_full_at_night_make_up_for_a_missing_night_and_do_nothing_without_a_token(
    office: Office, instance_on_disk: dg.DagsterInstance
) -> None:
    assert (missive_full_sync.cron_schedule, missive_full_sync.execution_timezone) == ("30 3 * * *", TIMEZONE)
    assert _is_full(_scheduled(missive_quick_sync, instance_on_disk, office.platform)), "nothing was ever read"
    office.sync()
    assert not _is_full(_scheduled(missive_quick_sync, instance_on_disk, office.platform))
    assert _is_full(_scheduled(missive_full_sync, instance_on_disk, office.platform))
    office.age("26 hours")
    assert _is_full(_scheduled(missive_quick_sync, instance_on_disk, office.platform))
    for schedule in (missive_quick_sync, missive_full_sync):
        said = _scheduled(schedule, instance_on_disk, office.with_settings(missive_token=None))
        assert said == "Missive is off: IBHELM_MISSIVE_TOKEN is not set."


def test_a_sync_that_is_under_way_is_not_begun_twice_and_whoever_tries_is_told_so(
    office: Office, tmp_path: Path
) -> None:
    with connect(office.settings.require_database_url(), application="test", autocommit=True) as another:
        another.execute(load_queries("missive")["try_lock_reading"])
        result = office.sync(report_path=str(tmp_path / "summary.json"))
    assert not result.success
    assert "Another run is reading Missive" in json.loads((tmp_path / "summary.json").read_text())["error"]
    assert office.cursors() == []
