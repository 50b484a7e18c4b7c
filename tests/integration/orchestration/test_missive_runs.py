"""Missive through Dagster: what is stored, what is told of which month, and when a run begins."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from missive_desk import Desk, materializations
from missive_desk import told as told_by
from missive_mirror import differences
from missive_office import connected
from nas_tree import Nas
from teamwork_office import in_haste
from vendor_desk import is_full

from assets import job_report, missive_job
from assets.missive import DESCRIPTIONS
from ibhelm_pipelines.db.checks import MISSIVE_QUESTIONS
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.settings import Settings
from resources.lanes import MISSIVE_ASSETS, MISSIVE_SYNC_JOB
from resources.partitions import MONTHS
from resources.platform import Platform
from sensors.schedules import TIMEZONE, missive_full_sync, missive_quick_sync

ROWS = "dagster/row_count"
MONTHLY = {*DESCRIPTIONS, "email_attachments"}


@pytest.fixture
def missive(monkeypatch: pytest.MonkeyPatch) -> Iterator[MissiveSimulator]:
    in_haste(monkeypatch)
    with MissiveSimulator(conversations=24, rate_limit=False) as simulator:
        yield simulator


@pytest.fixture
def office(missive: MissiveSimulator, settings: Settings, instance: dg.DagsterInstance, platform: Platform) -> Desk:
    return Desk(missive, connected(settings, missive), instance, platform)


def test_one_run_makes_the_tables_equal_missive_and_tells_of_each_month_with_its_rows(office: Desk) -> None:
    result = office.sync()
    assert result.success
    assert differences(office.settings, office.missive.truth()) == []
    told = told_by(result)
    assert {asset for asset, _ in told} == MISSIVE_ASSETS == {"missive_directory", *MONTHLY}
    for asset, table in zip(DESCRIPTIONS, ("conversations", "emails", "email_comments"), strict=True):
        count = sum(numbers[ROWS] for (name, _), numbers in told.items() if name == asset)
        assert count == office.one(f"select count(*) from {table} where deleted_at is null")
    assert {month for asset, month in told if asset == "missive_conversations"} == office.months()
    assert told["missive_directory", None]["new"] > 0
    assert office.answers() == {}
    state, detail = office.health()
    assert (state, detail.startswith("mails of "), ";" in detail) == ("ok", True, False)


def test_a_quick_run_tells_only_of_the_month_in_which_something_changed(office: Desk) -> None:
    assert len(office.sync().get_asset_check_evaluations()) == len(MISSIVE_QUESTIONS)
    result = office.sync()
    assert told_by(result) == {}
    assert result.get_asset_check_evaluations() == [], "that all is still well is no news"
    office.write_mail()
    told = told_by(office.sync())
    month = f"{dt.datetime.now(dt.UTC):%Y-%m}-01"
    assert {at for _, at in told} == {month}
    assert told["missive_emails", month]["new"] == 1
    assert differences(office.settings, office.missive.truth()) == []


def test_what_is_being_read_is_in_the_log_of_the_run(office: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_report, "LOG_SECONDS", 0)
    result = office.sync()
    lines = [entry.user_message for entry in office.instance.all_logs(result.run_id)]
    assert "Now: list of conversations (all)" in lines
    assert any(line.startswith("Now: mails and comments: ") for line in lines)
    assert any(line.startswith("Now: attachments of ") for line in lines)


def test_what_a_run_stored_and_could_not_tell_is_told_by_the_next(office: Desk) -> None:
    with dg.DagsterInstance.ephemeral() as forgetful:
        kept, office.instance = office.instance, forgetful
        assert office.sync().success
        office.instance = kept
    told = told_by(office.sync())
    assert {month for asset, month in told if asset == "missive_conversations"} == office.months()
    assert ("missive_directory", None) in told


# --- months -----------------------------------------------------------------------------------------------------------


def test_a_backfill_reads_the_months_of_one_run_once_tells_of_all_three_and_moves_no_cursor(office: Desk) -> None:
    office.sync()
    [first, second, *others] = sorted(office.months())[:3]
    office.rows("update emails set subject = 'veraltet' returning 1")
    office.rows("delete from ops.raw_records where kind = 'emails' returning 1")
    before = [row for row in office.cursors() if row[0].startswith("conversations")]
    office.missive.requests.by_path.clear()
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": second}
    result = office.materialize("missive_emails", tags=tags)
    assert result.success
    told = told_by(result)
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
    return list(MONTHS.get_partition_keys_in_range(dg.PartitionKeyRange(first, last)))


def test_a_sync_of_months_reads_them_again(office: Desk) -> None:
    office.sync()
    month = max(office.months())
    office.rows("update emails set subject = 'veraltet' returning 1")
    office.rows("delete from ops.raw_records where kind = 'emails' returning 1")
    told = told_by(office.sync(months=[month[:7]]))
    assert told["missive_emails", month]["changed"] > 0
    assert {at for asset, at in told if asset == "missive_emails"} == {month}


@pytest.mark.parametrize(
    "config", [{"months": ["2026-13"]}, {"months": ["1999-01"]}, {"full": True, "months": ["2026-05"]}]
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(office: Desk, config: dict[str, Any], tmp_path: Path) -> None:
    result = office.sync(**config, report_path=str(tmp_path / "summary.json"))
    assert not result.success
    assert json.loads((tmp_path / "summary.json").read_text())["error"]
    assert office.cursors() == []


def test_the_directory_can_be_read_alone_so_that_the_settings_can_name_what_is_in_it(office: Desk) -> None:
    result = office.materialize(
        "missive_directory", platform=office.with_settings(missive_allowed="team:not there yet")
    )
    assert result.success
    assert office.one("select count(*) from missive_teams") > 0
    assert office.one("select count(*) from conversations") == 0


# --- off, or not said what may be read --------------------------------------------------------------------------------


def test_without_a_token_the_assets_say_so_and_nothing_is_late(office: Desk) -> None:
    office.sync()
    office.age("3 days")
    assert set(office.answers()) == {"missive_stale", "missive_not_reconciled"}
    assert office.health()[0] == "error"
    off = office.with_settings(missive_token=None)
    for name in ("missive_directory", "missive_emails", "email_attachments"):
        key = None if name == "missive_directory" else "2026-01-01"
        result = office.materialize(name, platform=off, partition_key=key)
        assert result.success
        [event] = materializations(result)
        assert "IBHELM_MISSIVE_TOKEN is not set" in str(event.metadata["off"].value)
    assert office.answers() == {}
    assert office.health() == ("ok", "switched off")
    assert office.sync(off).success
    assert office.sync().success, "switched on again, it goes on"
    assert office.one("select count(*) from ops.sync_cursors where switched_off_at is not null") == 0


def test_where_it_is_not_said_what_may_be_read_the_run_fails_with_a_sentence_and_reads_nothing(
    office: Desk, tmp_path: Path
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


# --- attachments ------------------------------------------------------------------------------------------------------


def test_a_run_brings_the_attachments_to_the_nas_and_tells_of_their_months(office: Desk, nas: Nas) -> None:
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
        for (asset, _), numbers in told_by(result).items()
        if asset == "email_attachments"
    )
    assert saved == office.one("select count(*) from email_attachments where content_hash is not null") > 0
    assert office.answers() == {}
    assert told_by(office.sync(on)) == {}


def test_when_the_share_is_away_the_mails_are_stored_and_the_retries_of_a_full_run_do_not_read_them_again(
    office: Desk, tmp_path: Path
) -> None:
    away = office.with_settings(attachment_inbox="on", nas_root=str(tmp_path / "nowhere"))
    result = office.sync(away, full=True, report_path=str(tmp_path / "summary.json"))
    assert not result.success
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary["assets"]) == {"missive_directory", *DESCRIPTIONS}
    assert str(tmp_path / "nowhere") in summary["error"]
    assert differences(office.settings, office.missive.truth()) == []
    assert [e.event_type_value for e in result.all_events].count("STEP_RESTARTED") == 3
    assert sum(event.asset_key.to_user_string() == "missive_directory" for event in materializations(result)) == 1
    lists = [n for path, n in office.missive.requests.by_path.items() if path.endswith("/organizations")]
    assert lists == [1]


def test_a_run_begins_no_further_month_of_attachments_when_its_time_is_over_and_the_next_goes_on(
    office: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missive_job, "ATTACHMENT_SECONDS", -1)
    office.sync()
    planned = "select count(*) from email_attachments where planned_path is not null or skip_reason is not null"
    assert office.one(planned) == 0
    monkeypatch.setattr(missive_job, "ATTACHMENT_SECONDS", 900)
    told = told_by(office.sync())
    assert office.one(planned) > 0
    assert {asset for asset, _ in told} == {"email_attachments"}


# --- schedules --------------------------------------------------------------------------------------------------------


def _is_full(request: object) -> bool:
    return is_full(request, job=MISSIVE_SYNC_JOB, op="read_missive")


def test_schedules_are_quick_full_at_night_make_up_for_a_missing_night_and_do_nothing_without_a_token(
    office: Desk, instance_on_disk: dg.DagsterInstance
) -> None:
    assert (missive_full_sync.cron_schedule, missive_full_sync.execution_timezone) == ("30 3 * * *", TIMEZONE)
    assert _is_full(office.scheduled(missive_quick_sync, instance_on_disk)), "nothing was ever read"
    office.sync()
    assert not _is_full(office.scheduled(missive_quick_sync, instance_on_disk))
    assert _is_full(office.scheduled(missive_full_sync, instance_on_disk))
    office.age("26 hours")
    assert _is_full(office.scheduled(missive_quick_sync, instance_on_disk))
    for schedule in (missive_quick_sync, missive_full_sync):
        said = office.scheduled(schedule, instance_on_disk, office.with_settings(missive_token=None))
        assert said == "Missive is off: IBHELM_MISSIVE_TOKEN is not set."


def test_a_sync_that_is_under_way_is_not_begun_twice_and_whoever_tries_is_told_so(office: Desk, tmp_path: Path) -> None:
    with connect(office.settings.require_database_url(), application="test", autocommit=True) as another:
        another.execute(load_queries("missive")["lock_reading"])
        result = office.sync(report_path=str(tmp_path / "summary.json"))
    assert not result.success
    assert "Another run is reading Missive" in json.loads((tmp_path / "summary.json").read_text())["error"]
    assert office.cursors() == []
