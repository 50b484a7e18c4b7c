"""The job behind the schedule and `ibhelm rules apply`: the register's assets in their order, then the checks.

An op and not a selection of the assets, as for the vendors: it tells of an asset only where something changed.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from assets.checks import news_of
from assets.job_report import Event, Progress, earlier_summary, reported, told_before
from assets.register import UPSTREAM, make_asset
from ibhelm_pipelines.db.checks import REGISTER_QUESTIONS
from ibhelm_pipelines.settings import Settings
from resources.lanes import LANE_TAG, REGISTER_JOB
from resources.platform import Platform


class RegisterRunConfig(dg.Config):
    """How much is recomputed, and where `ibhelm rules apply` looks for what came of it."""

    everything: bool = Field(default=False, description="Also links of which nothing that decides has changed")
    report_path: str = Field(
        default="", description="File for the summary as JSON; what is being done is in `progress` beside it"
    )


@dg.op(out={})
def keep_register(context: dg.OpExecutionContext, config: RegisterRunConfig, platform: Platform) -> Iterator[Event]:
    """Recompute one asset after the other; tell Dagster of each; then ask what could be wrong, however it went."""
    with platform.working(context, asset=REGISTER_JOB) as settings:
        summary: dict[str, Any] = {
            "run_id": context.run_id,
            "assets": {},
            **earlier_summary(context, config.report_path),
        }
        work = _work(context, config, settings, summary)
        yield from reported(
            work, summary, config.report_path, lambda: news_of(context.instance, REGISTER_QUESTIONS, settings)
        )


@dg.job(name=REGISTER_JOB, tags={LANE_TAG: "register"})
def register_job() -> None:
    """Bring the register in line with files, vendors, rules and what people decided."""
    keep_register()


def _work(
    context: dg.OpExecutionContext, config: RegisterRunConfig, settings: Settings, summary: dict[str, Any]
) -> Iterator[Event]:
    done, progress = told_before(context), Progress(config.report_path, context.log.info)
    for asset in UPSTREAM:
        if asset in done:
            continue
        progress(asset)
        numbers = summary["assets"][asset] = make_asset(
            settings, asset, everything=config.everything, progress=progress
        )
        context.log.info(f"{asset}: {numbers}")
        was_told = context.instance.get_latest_materialization_event(dg.AssetKey(asset)) is not None
        if numbers["changed"] or not was_told:
            yield dg.AssetMaterialization(asset, metadata=numbers)
