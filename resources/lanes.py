"""Names by which runs know each other: jobs, and the tags that the queue's limits in dagster.yaml refer to."""

from __future__ import annotations

SCAN_JOB = "scan"
RETENTION_JOB = "retention"
DRAIN_JOB = "drain_inbox"

LANE_TAG = "ibhelm/lane"
DEEP_TAG = "ibhelm/deep"

FOLDER_ASSETS = frozenset({"nas_files", "stored_originals", "thumbnails", "extracted_text"})
"""The assets whose work a scan of the whole share does too, for every folder."""
