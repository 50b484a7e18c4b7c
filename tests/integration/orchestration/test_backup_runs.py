"""The jobs of backup and drill tell Dagster what they did, and answer their checks."""

from __future__ import annotations

import dagster as dg
import pytest
from pydantic import SecretStr

from assets.backup import backup_job
from assets.drill import drill_job
from ibhelm_pipelines.safety.backup_list import list_backups
from ibhelm_pipelines.settings import Settings
from resources.platform import Platform


@pytest.fixture
def owned(settings: Settings, owner_database_url: str) -> Settings:
    return settings.model_copy(update={"owner_database_url": SecretStr(owner_database_url)})


def test_backup_and_drill(owned: Settings, platform: Platform, owner_database_url: str) -> None:
    overrides = {**platform.overrides, "owner_database_url": owner_database_url}
    resources = {"platform": Platform(overrides=overrides)}
    with dg.DagsterInstance.ephemeral() as instance:
        made = backup_job.execute_in_process(instance=instance, resources=resources)
        tried = drill_job.execute_in_process(instance=instance, resources=resources)
    [backup] = list_backups(owned)
    assert backup.manifest is not None
    [event] = made.asset_materializations_for_node("back_up_databases")
    assert event.metadata["dagster/row_count"].value == backup.manifest.rows
    [event] = tried.asset_materializations_for_node("try_to_restore")
    drawn = sum(table.drawn for table in backup.manifest.tables.values())
    assert event.metadata["rows_compared"].value == drawn > 0
    evaluations = [*made.get_asset_check_evaluations(), *tried.get_asset_check_evaluations()]
    assert {evaluation.check_name: evaluation.passed for evaluation in evaluations} == {
        "backup_too_old": True,
        "backup_failed": True,
        "restore_drill_failed": True,
        "restore_drill_too_old": True,
        "restore_drill_without_key": True,
    }
