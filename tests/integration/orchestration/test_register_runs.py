"""The register through Dagster and the command line: what is told, what a rule would change, what a failure says."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt
import json
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from register_desk import Desk

from assets.register import UPSTREAM, item_links
from assets.register_job import register_job
from ibhelm_pipelines.cli import main
from ibhelm_pipelines.settings import Settings
from resources.lanes import REGISTER_ASSETS, REGISTER_JOB
from resources.platform import Platform
from sensors.schedules import register_rebuild, register_update

KITA = "projekte/2301-Kita Lindenhof-MK"


@pytest.fixture
def desk(settings: Settings, owner_database_url: str) -> Desk:
    desk = Desk(settings, owner_database_url)
    desk.project("2301 Kita Lindenhof")
    return desk


def _run(instance: dg.DagsterInstance, platform: Platform, **config: Any) -> dg.ExecuteInProcessResult:
    return register_job.execute_in_process(
        instance=instance,
        resources={"platform": platform},
        run_config={"ops": {"keep_register": {"config": config}}},
        raise_on_error=False,
    )


def _told(result: dg.ExecuteInProcessResult) -> list[str]:
    events = result.filter_events(lambda event: event.is_step_materialization)
    return [event.asset_key.to_user_string() for event in events if event.asset_key]


def test_a_run_tells_of_all_assets_once_and_then_of_those_that_changed(
    desk: Desk, instance: dg.DagsterInstance, platform: Platform
) -> None:
    desk.file(f"{KITA}/KGR 434 Kälte/a.pdf")
    first = _run(instance, platform)
    assert first.success
    assert _told(first) == list(UPSTREAM)
    assert set(UPSTREAM) == REGISTER_ASSETS
    assert _told(_run(instance, platform)) == []
    desk.file(f"{KITA}/KGR 434 Kälte/b.pdf")
    assert "item_links" in _told(_run(instance, platform))


def test_the_button_links_everything_and_shows_the_numbers(
    desk: Desk, instance: dg.DagsterInstance, platform: Platform
) -> None:
    file = desk.file(f"{KITA}/KGR 434 Kälte/a.pdf")
    _run(instance, platform)
    desk.run("delete from file_cost_groups")
    result = dg.materialize([item_links], instance=instance, resources={"platform": platform}, selection=[item_links])
    [event] = result.asset_materializations_for_node("item_links")
    numbers = {name: value.value for name, value in event.metadata.items()}
    assert desk.cost_groups("file", file) == [434]
    assert (numbers["file_live"], numbers["file_project"], numbers["file_cost_group"]) == (1, 1, 1)
    assert numbers["changed"] == 1


def test_a_rule_that_cannot_be_used_fails_the_run_with_its_name(
    desk: Desk, instance: dg.DagsterInstance, platform: Platform
) -> None:
    desk.run_as_owner(
        "set session_replication_role = replica",
        "insert into link_rules (name, decides, reads, pattern) values ('Alles', 'cost_group', 'name', '*')",
    )
    failed = _run(instance, platform)
    assert not failed.success
    [step] = failed.get_step_failure_events()
    assert "The rule 'Alles' cannot be used" in str(step.step_failure_data.error)
    desk.run("delete from link_rules where name = 'Alles'")
    assert _run(instance, platform).success


def test_schedules_ask_for_changes_by_day_and_for_everything_at_night(instance_on_disk: dg.DagsterInstance) -> None:
    night = dt.datetime(2026, 11, 23, 3, 7, tzinfo=dt.UTC)
    context = dg.build_schedule_context(instance=instance_on_disk, scheduled_execution_time=night)
    update, rebuild = register_update(context), register_rebuild(context)
    assert isinstance(update, dg.RunRequest)
    assert isinstance(rebuild, dg.RunRequest)
    assert update.run_config["ops"]["keep_register"]["config"] == {"everything": False}
    assert rebuild.run_config["ops"]["keep_register"]["config"] == {"everything": True}
    assert register_update.job_name == register_rebuild.job_name == REGISTER_JOB


@pytest.fixture
def ibhelm(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return CliRunner()


def test_a_rule_shows_what_it_would_change_before_it_does(desk: Desk, ibhelm: CliRunner) -> None:
    files = [desk.file(f"{KITA}/01_Verträge/Angebot Brandt {number}.pdf") for number in range(3)]
    desk.file(f"{KITA}/01_Verträge/Angebot Brandt KGR 410.pdf")
    desk.link()
    [[group]] = desk.run("select id from cost_groups where number = 420")
    rule = desk.rule("cost_group", "name", "Brandt", cost_group_id=group, is_enabled=False)
    before = desk.run("select * from file_cost_groups order by 1, 2")
    done = ibhelm.invoke(main, ["rules", "test", "cost_group name Brandt", "--json"])
    assert done.exit_code == 0, done.output
    trial = json.loads(done.stdout)
    assert (trial["added"]["file"], trial["removed"]["file"], trial["is_enabled"]) == (4, 0, False)
    assert {(change["item"], change["target"]) for change in trial["samples_added"]} >= {
        ("01_Verträge/Angebot Brandt 0.pdf", "KG 420")
    }
    assert desk.run("select * from file_cost_groups order by 1, 2") == before
    desk.run("update link_rules set is_enabled = true where id = %s", rule)
    desk.link()
    assert [desk.cost_groups("file", each) for each in files] == [[420]] * 3
    shown = ibhelm.invoke(main, ["rules", "test", "cost_group name Brandt"]).stdout
    assert "is on" in shown
    assert "4 links come" in shown


def test_rules_that_do_not_exist_are_said_to_be_none(desk: Desk, ibhelm: CliRunner) -> None:
    assert desk.link().changed
    done = ibhelm.invoke(main, ["rules", "test", "Nichts"])
    assert done.exit_code == 1
    assert "No rule is called 'Nichts'" in done.output
    listed = ibhelm.invoke(main, ["rules", "list"])
    assert listed.exit_code == 0
    assert "KGR {KG}" in listed.output
