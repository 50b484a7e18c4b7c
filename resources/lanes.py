"""Names by which runs know each other: jobs, and the tags that the queue's limits in dagster.yaml refer to."""

from __future__ import annotations

SCAN_JOB = "scan"
RETENTION_JOB = "retention"

LANE_TAG = "ibhelm/lane"
DEEP_TAG = "ibhelm/deep"
