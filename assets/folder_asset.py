"""What all file assets have in common: one partition per project folder, ten folders a run, numbers per folder."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from assets.reporting import Numbers, derived_row_counts, outdated_contents, step_numbers
from ibhelm_pipelines.content.steps import Step, run_step
from resources.partitions import FOLDERS, TEN_A_RUN
from resources.platform import Platform
from resources.tool_code import code_version

OWNERS = ["team:ibhelm"]
CODE_VERSION = "1"
"""Of the assets' own code; what made a derived row is in `ops.step_results.tool_version` (tool_code.py)."""

Compute = Callable[..., dg.MaterializeResult[None]]


def folder_asset(
    name: str,
    *,
    deps: Sequence[str | dg.AssetSpec],
    group: str,
    kinds: set[str],
    description: str,
    code_version: str = CODE_VERSION,
) -> Callable[[Compute], dg.AssetsDefinition]:
    """Make an asset with one partition per project folder of the function that this decorates."""
    with warnings.catch_warnings():
        # Backfill policies are "beta" since 2023, and without one a backfill of 200 folders is 200 runs.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.asset(
            name=name,
            deps=deps,
            group_name=group,
            kinds=kinds,
            description=description,
            partitions_def=FOLDERS,
            backfill_policy=TEN_A_RUN,
            owners=OWNERS,
            code_version=code_version,
        )


def step_asset(name: str, *, step: Step, group: str, kinds: set[str], description: str) -> dg.AssetsDefinition:
    """Make the asset of one derived step, which works through what is missing in its folders."""

    made_by = code_version(step)

    @folder_asset(name, deps=["nas_files"], group=group, kinds=kinds, description=description, code_version=made_by)
    def derived(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
        with platform.working(context, asset=name, folders=context.partition_keys) as settings:
            report = run_step(step, settings, folders=context.partition_keys)
            row_counts = derived_row_counts(settings, step, context.partition_keys)
            outdated = outdated_contents(settings, step)
        numbers = step_numbers(report, context.partition_keys, row_counts)
        return per_folder(
            context,
            numbers,
            {"reasons": report.reasons, "outdated": outdated},
            data_version=dg.DataVersion(made_by),
        )

    return derived


def per_folder(
    context: dg.AssetExecutionContext,
    numbers: Mapping[str, Numbers],
    common: Mapping[str, Any],
    data_version: dg.DataVersion | None = None,
) -> dg.MaterializeResult[None]:
    """Give each folder of this run its own numbers, and all of them what they have in common."""
    for folder, folder_numbers in numbers.items():
        context.add_asset_metadata(folder_numbers, partition_key=folder)
    return dg.MaterializeResult(metadata=dict(common), data_version=data_version)
