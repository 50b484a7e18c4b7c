"""Originals in S3: each distinct content once, under its hash."""

from __future__ import annotations

from assets.folder_asset import step_asset

stored_originals = step_asset(
    "stored_originals",
    step="store",
    group="objects",
    kinds={"s3"},
    description="The original bytes of every file, once per content, in S3 under their hash.",
)
