"""The code location: everything that Dagster knows of the platform, put together."""

from __future__ import annotations

import dagster as dg

from assets.backup import backup_job, database_backup
from assets.checks import CHECKS
from assets.content import extracted_text, thumbnails
from assets.drain_job import drain_job
from assets.drill import drill_job, restore_drill
from assets.embeddings import embed_job, embeddings
from assets.manifests import folder_manifests, manifests_job
from assets.mirror import mirror_job, mirror_verification
from assets.missive import MISSIVE, email_attachments, missive_directory, missive_months
from assets.missive_job import missive_sync_job
from assets.nas import NAS_SHARE, nas_files
from assets.objects import stored_originals
from assets.register import activity, item_links, people, projects
from assets.register_job import register_job
from assets.retention import retention, retention_job
from assets.scan_job import scan_job
from assets.search import search_documents
from assets.search_job import search_job
from assets.sync_job import teamwork_sync_job
from assets.teamwork import TEAMWORK, teamwork_comments, teamwork_directory, teamwork_tasks, teamwork_time
from resources.platform import Platform
from sensors.alerts import alerts
from sensors.folders import folder_partitions
from sensors.heartbeats import schedule_heartbeats
from sensors.inbox_drain import inbox_drain
from sensors.live_events import live_events
from sensors.lost_runs import lost_runs
from sensors.schedules import SCHEDULES

defs = dg.Definitions(
    assets=[
        *(NAS_SHARE, nas_files, stored_originals, thumbnails, extracted_text),
        *(TEAMWORK, teamwork_directory, teamwork_tasks, teamwork_comments, teamwork_time),
        *(MISSIVE, missive_directory, missive_months, email_attachments),
        *(projects, item_links, people, activity),
        *(search_documents, embeddings),
        *(database_backup, restore_drill, mirror_verification, folder_manifests, retention),
    ],
    asset_checks=CHECKS,
    jobs=[
        *(scan_job, teamwork_sync_job, missive_sync_job, register_job, search_job, embed_job, drain_job, retention_job),
        *(backup_job, drill_job, mirror_job, manifests_job),
    ],
    schedules=SCHEDULES,
    sensors=[live_events, inbox_drain, folder_partitions, lost_runs, alerts, schedule_heartbeats],
    resources={"platform": Platform()},
    # One process per run: a process per step would cost 1.6 CPU seconds each, and parallel work happens inside the
    # assets.
    executor=dg.in_process_executor,
)
