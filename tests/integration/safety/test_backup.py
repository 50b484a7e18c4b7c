"""Backups of the databases."""

from __future__ import annotations

import datetime as dt

from ibhelm_pipelines.safety.backup import back_up
from ibhelm_pipelines.safety.backup_list import list_backups

NOW = dt.datetime(2026, 3, 1, 5, 15, tzinfo=dt.UTC)


def test_a_backup_is_in_the_bucket_with_its_manifest(settings):
    report = back_up(settings, now=NOW)
    [backup] = list_backups(settings)
    assert backup.manifest == report.backups[0]
    print(report, backup.manifest)


def test_restored(settings, empty_database_url, owner_database_url):
    back_up(settings, now=NOW)
    from ibhelm_pipelines.safety.database_restore import restore_database
    told = []
    r = restore_database(settings, url=empty_database_url, now=NOW, on_progress=told.append)
    print(r.comparison, r.seconds, told)


def test_drill(settings, owner_database_url):
    from pydantic import SecretStr
    from ibhelm_pipelines.safety.drill import drill
    settings = settings.model_copy(update={"owner_database_url": SecretStr(owner_database_url)})
    back_up(settings, now=NOW)
    print(drill(settings, now=NOW))
