"""The files of the NAS as rows: the first asset of the graph, and the share itself as its source."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import dagster as dg

from assets.folder_asset import folder_asset, per_folder
from assets.reporting import scan_numbers
from ibhelm_pipelines.nas.scan import scan
from resources.platform import Platform

NAS_SHARE = dg.AssetSpec(
    "nas_share",
    group_name="sources",
    kinds={"filesystem"},
    description="The office's NAS: read, never written. Its folders are the partitions of everything below.",
)


@folder_asset(
    "nas_files",
    deps=[NAS_SHARE],
    group="nas",
    kinds={"postgres"},
    description="One row per file of the NAS, with its content's hash and its history, live or deleted.",
)
def nas_files(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Scan the folders of this run."""
    with platform.working(context, asset="nas_files", folders=context.partition_keys) as settings:
        report = scan(settings, folders=context.partition_keys)
    numbers = scan_numbers(report, context.partition_keys)
    return per_folder(context, numbers, {"scan": report.scan_id, "state": report.state, "ignored": report.ignored})
