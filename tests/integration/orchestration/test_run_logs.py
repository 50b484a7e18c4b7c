"""What a run says of its steps on standard error, and what of an error Dagster gets to keep."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import json
from typing import Any

import dagster as dg
import psycopg
import pytest
from nas_tree import Nas

from assets.nas import NAS_SHARE, nas_files
from assets.objects import stored_originals
from ibhelm_pipelines.errors import PermanentError, ShareUnavailableError
from resources.partitions import FOLDERS_NAME
from resources.platform import Platform

SECRET = "planted-secret"
ROW = "Plantedwordofadocument"


@pytest.fixture
def secretive(platform: Platform) -> Platform:
    return Platform(overrides={**platform.overrides, "missive_webhook_secret": SECRET}, first_pause_seconds=0)


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Our lines among those of Dagster."""
    return [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]


def test_each_step_says_when_it_began_and_ended_with_run_asset_and_folders(
    nas: Nas, instance: dg.DagsterInstance, platform: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    nas.write("projekte/A/brief.txt", "Sehr geehrte Damen und Herren")
    instance.add_dynamic_partitions(FOLDERS_NAME, ["projekte/A"])
    result = dg.materialize(
        [NAS_SHARE, nas_files, stored_originals],
        instance=instance,
        resources={"platform": platform},
        partition_key="projekte/A",
    )
    told = lines(capfd)
    assert [(line["event"], line["asset"]) for line in told] == [
        ("step_started", "nas_files"),
        ("step_ended", "nas_files"),
        ("step_started", "stored_originals"),
        ("step_ended", "stored_originals"),
    ]
    assert {(line["run"], *line["folder"]) for line in told} == {(result.run_id, "projekte/A")}
    assert all(line["seconds"] >= 0 for line in told if line["event"] == "step_ended")


def fail_with(error: Exception, platform: Platform, instance: dg.DagsterInstance) -> str:
    """Run a step that fails so, and return everything that Dagster remembers of it."""

    @dg.op
    def failing(context: dg.OpExecutionContext, platform: Platform) -> None:
        with platform.working(context, asset="failing"):
            raise error

    @dg.job(resource_defs={"platform": platform})
    def failing_job() -> None:
        failing()

    result = failing_job.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    return "\n".join(str(record) for record in instance.all_logs(result.run_id))


def _violation(database_url: str) -> psycopg.Error:
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.CheckViolation) as raised:
        connection.execute("insert into ops.inbox (source, kind, key, label) values ('nowhere', '', '', %s)", [ROW])
    return raised.value


@pytest.mark.parametrize(
    ("error", "level", "remembered"),
    [
        (
            PermanentError(f"The key {SECRET} is wrong.", next_step=f"Replace {SECRET}."),
            "warning",
            "The key *** is wrong.",
        ),
        (ShareUnavailableError(f"mount said {SECRET}"), "warning", "mount said ***"),
        (ValueError(f"no luck with {SECRET}"), "error", "ValueError: no luck with ***"),
        (None, "error", "violates check constraint"),
    ],
    ids=["permanent", "transient", "a mistake in our code", "a row that Postgres refuses"],
)
def test_a_step_that_fails_says_so_once_and_neither_log_nor_dagster_keep_the_secret(
    secretive: Platform,
    instance: dg.DagsterInstance,
    database_url: str,
    capfd: pytest.CaptureFixture[str],
    error: Exception | None,
    level: str,
    remembered: str,
) -> None:
    error = error or _violation(database_url)
    known = fail_with(error, secretive, instance)
    captured = capfd.readouterr().err
    told = [json.loads(line) for line in captured.splitlines() if line.startswith("{")]
    tries = 4 if isinstance(error, ShareUnavailableError) else 1
    assert [(line["event"], line["level"]) for line in told] == [
        ("step_started", "info"),
        ("step_failed", level),
    ] * tries
    assert remembered in known
    for text in (known, captured):
        assert SECRET not in text
        assert ROW not in text


def test_a_mistake_in_our_code_that_quotes_no_secret_keeps_its_own_face(
    secretive: Platform, instance: dg.DagsterInstance
) -> None:
    known = fail_with(ZeroDivisionError("nothing to divide by"), secretive, instance)
    assert "ZeroDivisionError: nothing to divide by" in known
    assert "raise error" in known, "the traceback"
