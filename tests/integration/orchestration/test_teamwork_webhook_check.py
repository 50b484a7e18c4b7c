"""Every sync with Teamwork looks after our webhooks, and Dagster shows it when they do not work."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest
import tables
from pydantic import SecretStr
from teamwork_office import PLENTY, connected, in_haste

from assets.sync_job import teamwork_sync_job
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.demo.vendor.faults import Faults
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.teamwork.webhooks import install
from resources.platform import Platform

URL = "https://hooks.example.com/webhooks/teamwork"
CHECK = "teamwork_webhook_switched_off"


@pytest.fixture
def teamwork(monkeypatch: pytest.MonkeyPatch) -> Iterator[TeamworkSimulator]:
    in_haste(monkeypatch)
    with TeamworkSimulator(projects=3, tasks=10, rate_limit=PLENTY, window_seconds=1) as simulator:
        yield simulator


@pytest.fixture
def desk(settings: Settings, teamwork: TeamworkSimulator) -> Settings:
    return connected(settings, teamwork, teamwork_webhook_secret=SecretStr("planted"))


def sync(desk: Settings, platform: Platform, instance: dg.DagsterInstance) -> dict[str, bool]:
    """Run the job; return what the checks of the run said, by name."""
    overrides = {
        **platform.overrides,
        "teamwork_url": str(desk.teamwork_url),
        "teamwork_token": desk.teamwork_token.get_secret_value() if desk.teamwork_token else "",
        "teamwork_excluded_projects": "none",
        "teamwork_excluded_companies": "none",
        "teamwork_requests_per_minute": str(PLENTY),
    }
    result = teamwork_sync_job.execute_in_process(
        instance=instance, resources={"platform": Platform(overrides=overrides, first_pause_seconds=0)}
    )
    assert result.success
    return {each.check_name: each.passed for each in result.get_asset_check_evaluations()}


def an_hour_passes(desk: Settings) -> None:
    tables.ask(
        desk.require_database_url(), "update ops.vendor_webhooks set looked_at = looked_at - interval '61 minutes'"
    )


def test_a_sync_resumes_what_teamwork_switched_off(
    desk: Settings, teamwork: TeamworkSimulator, platform: Platform, instance: dg.DagsterInstance
):
    install(desk, URL)
    for hook in teamwork.webhooks.hooks.values():
        hook.status = "INACTIVE"
    an_hour_passes(desk)
    sync(desk, platform, instance)
    assert {hook.status for hook in teamwork.webhooks.hooks.values()} == {"ACTIVE"}


def test_a_sync_does_not_ask_for_webhooks_that_it_saw_within_the_hour_or_that_nobody_installed(
    desk: Settings, teamwork: TeamworkSimulator, platform: Platform, instance: dg.DagsterInstance
):
    teamwork.faults = Faults(forbidden=("/webhooks",))
    sync(desk, platform, instance)
    teamwork.faults = Faults()
    install(desk, URL)
    teamwork.faults = Faults(forbidden=("/webhooks",))
    assert sync(desk, platform, instance).get(CHECK, True)


def test_a_webhook_that_is_gone_fails_a_check_in_dagster_and_not_the_run(
    desk: Settings, teamwork: TeamworkSimulator, platform: Platform, instance: dg.DagsterInstance
):
    install(desk, URL)
    teamwork.webhooks.hooks.popitem()
    an_hour_passes(desk)
    assert sync(desk, platform, instance)[CHECK] is False


def test_a_token_that_may_not_see_webhooks_any_more_fails_the_check_and_the_rows_still_come(
    desk: Settings, teamwork: TeamworkSimulator, platform: Platform, instance: dg.DagsterInstance
):
    install(desk, URL)
    an_hour_passes(desk)
    teamwork.faults = Faults(forbidden=("/webhooks",))
    assert sync(desk, platform, instance)[CHECK] is False
    assert tables.ask(desk.require_database_url(), "select count(*) > 0 from tasks") == [(True,)]
