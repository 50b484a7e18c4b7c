"""The search's documents through Dagster and the command line: what is told, how much, and when."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt
import json
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from documents_desk import DocumentsDesk

from assets.search import search_documents
from assets.search_job import search_job
from ibhelm_pipelines.cli import main
from ibhelm_pipelines.settings import Settings
from resources.platform import Platform
from sensors.schedules import search_rebuild, search_update


@pytest.fixture
def desk(settings: Settings, owner_database_url: str) -> DocumentsDesk:
    desk = DocumentsDesk(settings, owner_database_url)
    desk.fill()
    return desk


def _run(instance: dg.DagsterInstance, platform: Platform) -> list[dict[str, Any]]:
    """Run the job; return the numbers of what it told."""
    result = search_job.execute_in_process(instance=instance, resources={"platform": platform})
    events = result.filter_events(lambda event: event.is_step_materialization)
    return [
        {name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()}
        for event in events
    ]


def test_a_run_tells_of_the_documents_once_and_then_only_of_changes(
    desk: DocumentsDesk, instance: dg.DagsterInstance, platform: Platform
) -> None:
    [first] = _run(instance, platform)
    assert (first["dagster/row_count"], first["file_documents"], first["changed"]) == (9, 3, 9)
    assert first["words_per_second"] > 0
    assert _run(instance, platform) == []
    desk.run("update files set deleted_at = now() where name = 'Telefonliste.xlsx'")
    desk.file("Neu.pdf", text="Neues")
    [third] = _run(instance, platform)
    assert (third["dagster/row_count"], third["changed"], third["file_looked_at"]) == (9, 1, 1)


def test_the_button_makes_all_documents_anew(
    desk: DocumentsDesk, instance: dg.DagsterInstance, platform: Platform
) -> None:
    _run(instance, platform)
    desk.run("update search.documents set body = 'Unfug' where kind = 'task'")
    result = dg.materialize([search_documents], instance=instance, resources={"platform": platform})
    [event] = result.asset_materializations_for_node("search_documents")
    assert event.metadata["written"].value == 2


def test_schedules_ask_for_changes_by_day_and_for_everything_at_night(instance_on_disk: dg.DagsterInstance) -> None:
    night = dt.datetime(2026, 11, 23, 3, 37, tzinfo=dt.UTC)
    context = dg.build_schedule_context(instance=instance_on_disk, scheduled_execution_time=night)
    requests = [search_update(context), search_rebuild(context)]
    asked = [r.run_config["ops"]["keep_search"]["config"] for r in requests if isinstance(r, dg.RunRequest)]
    assert asked == [{"everything": False}, {"everything": True}]


def test_the_command_indexes_now_and_says_what_can_be_found(
    desk: DocumentsDesk, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["index", "--json"])
    assert done.exit_code == 0, done.output
    outcome = json.loads(done.stdout)
    assert outcome["assets"]["search_documents"]["dagster/row_count"] == 9
    assert (outcome["status"], outcome["warnings"]) == ("stored", [])
    assert len(desk.items()) == 9
