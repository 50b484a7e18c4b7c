"""Keeps the folder partitions in step with the disk.

A key is added as soon as its folder is seen. It is taken away only when the folder is gone from a whole, mounted share
and no live file is left in it: until then somebody may want to scan or confirm it. An unavailable share says nothing
about folders, so it changes none.
"""

from __future__ import annotations

import dagster as dg

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.nas.folders import list_folders
from ibhelm_pipelines.settings import Settings
from resources.partitions import FOLDERS, FOLDERS_NAME
from resources.platform import Platform

INTERVAL_SECONDS = 60


@dg.sensor(minimum_interval_seconds=INTERVAL_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def folder_partitions(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult | dg.SkipReason:
    """Add a partition for each new project folder of the share, and take away those whose folder and files are gone."""
    known = set(context.instance.get_dynamic_partitions(FOLDERS_NAME))
    try:
        settings = platform.settings()
        on_disk = list_folders(settings)
        gone = _without_live_files(settings, known.difference(on_disk))
    except IbhelmError as error:
        return dg.SkipReason(str(error))
    new = [folder for folder in on_disk if folder not in known]
    if not new and not gone:
        return dg.SkipReason(f"The partitions are the {len(known)} folders of the share.")
    requests = [FOLDERS.build_add_request(new)] if new else []
    return dg.SensorResult(
        dynamic_partitions_requests=[*requests, *([FOLDERS.build_delete_request(gone)] if gone else [])]
    )


def _without_live_files(settings: Settings, folders: set[str]) -> list[str]:
    if not folders:
        return []
    with connect(settings.require_database_url(), application="sensor", autocommit=True) as connection:
        rows = connection.execute(load_queries("checks")["folders_without_live_files"], [sorted(folders)]).fetchall()
    return [folder for (folder,) in rows]
