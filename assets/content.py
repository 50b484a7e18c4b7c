"""What is inside the files: previews and text, once per content."""

from __future__ import annotations

from assets.folder_asset import step_asset

thumbnails = step_asset(
    "thumbnails",
    step="thumbnail",
    group="content",
    kinds={"s3", "image"},
    description="A preview picture of every file that can be shown, once per content, in S3.",
)

extracted_text = step_asset(
    "extracted_text",
    step="text",
    group="content",
    kinds={"postgres"},
    description="The text of every file that has any, once per content, with page marks; search is built on it.",
)
