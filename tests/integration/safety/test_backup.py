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
