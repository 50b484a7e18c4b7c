"""Names by which runs know each other: jobs, and the tags that the queue's limits in dagster.yaml refer to."""

from __future__ import annotations

SCAN_JOB = "scan"
RETENTION_JOB = "retention"
DRAIN_JOB = "drain_inbox"
TEAMWORK_SYNC_JOB = "sync_teamwork"

LANE_TAG = "ibhelm/lane"
DEEP_TAG = "ibhelm/deep"
FULL_TAG = "ibhelm/full"
"""Of the scans and syncs that are more than quick ones, so that they are found among so many of those."""

FOLDER_ASSETS = frozenset({"nas_files", "stored_originals", "thumbnails", "extracted_text"})
"""The assets whose work a scan of the whole share does too, for every folder."""

TEAMWORK_ASSETS = frozenset({"teamwork_directory", "teamwork_tasks", "teamwork_comments", "teamwork_time"})
"""The assets whose work a sync of Teamwork does too."""
