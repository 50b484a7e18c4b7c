"""Names by which runs know each other: jobs, and the tags that the queue's limits in dagster.yaml refer to."""

from __future__ import annotations

SCAN_JOB = "scan"
RETENTION_JOB = "retention"
DRAIN_JOB = "drain_inbox"
TEAMWORK_SYNC_JOB = "sync_teamwork"
MISSIVE_SYNC_JOB = "sync_missive"
REGISTER_JOB = "register"
SEARCH_JOB = "search"
EMBEDDINGS_JOB = "embed"
MIRROR_JOB = "verify_mirror"
MANIFESTS_JOB = "write_manifests"

BACKUP_JOB = "backup"
DRILL_JOB = "drill"

EMBEDDINGS_ASSET = "embeddings"
MIRROR_ASSET = "mirror_verification"
MANIFESTS_ASSET = "folder_manifests"
RETENTION_ASSET = "retention"
BACKUP_ASSET = "database_backup"
DRILL_ASSET = "restore_drill"

LANE_TAG = "ibhelm/lane"
DEEP_TAG = "ibhelm/deep"
FULL_TAG = "ibhelm/full"
"""Of the scans and syncs that are more than quick ones, so that they are found among so many of those."""

FOLDER_ASSETS = frozenset({"nas_files", "stored_originals", "thumbnails", "extracted_text"})
"""The assets whose work a scan of the whole share does too, for every folder."""

TEAMWORK_ASSETS = frozenset({"teamwork_directory", "teamwork_tasks", "teamwork_comments", "teamwork_time"})
"""The assets whose work a sync of Teamwork does too."""

MISSIVE_ASSETS = frozenset(
    {"missive_directory", "missive_conversations", "missive_emails", "missive_comments", "email_attachments"}
)
"""The assets whose work a sync of Missive does too."""

REGISTER_ASSETS = frozenset({"projects", "item_links", "people", "activity"})
"""The assets whose work the register's job does too."""

SEARCH_ASSETS = frozenset({"search_documents"})
"""The asset whose work the search's job does too."""

LONGEST_RUN_SECONDS = 7 * 24 * 3600
"""The first scan of 2 TB over a slow line, or the first reading of many mails at one request a second, takes days; it
is ended only after a week. What it stored stays."""
