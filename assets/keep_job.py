"""What the jobs `register` and `search` do: their assets in their order, then the checks.

An op and not a selection of the assets, as for the vendors: it tells of an asset only where something changed.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import dagster as dg
from pydantic import Field

from assets.checks import news_of
from assets.job_report import Event, Progress, earlier_summary, reported, told_before
from assets.reporting import Numbers
from ibhelm_pipelines.db.question import Question
from ibhelm_pipelines.settings import Settings
from resources.platform import Platform


class KeepRunConfig(dg.Config):
    """How much is recomputed, and where a command that waits looks for what came of it."""

    everything: bool = Field(default=False, description="Also that of which nothing has changed")
    report_path: str = Field(
        default="", description="File for the summary as JSON; what is being done is in `progress` beside it"
    )


class Make(Protocol):
    """Recomputes one asset and returns what was done; `changed` says how much of it differs now."""

    def __call__(
        self, settings: Settings, name: str, *, everything: bool, progress: Callable[[str], None]
    ) -> Numbers: ...


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a job keeps in line.

    Attributes:
        job: its name.
        assets: in the order in which they are made.
        make: makes one of them.
        questions: what could be wrong with them.
    """

    job: str
    assets: Iterable[str]
    make: Make
    questions: Sequence[Question]


def keep(context: dg.OpExecutionContext, config: KeepRunConfig, platform: Platform, kept: Kept) -> Iterator[Event]:
    """Recompute one asset after the other; tell Dagster of each; then ask what could be wrong, however it went."""
    with platform.working(context, asset=kept.job) as settings:
        summary: dict[str, Any] = {
            "run_id": context.run_id,
            "assets": {},
            **earlier_summary(context, config.report_path),
        }
        work = _work(context, config, settings, summary, kept)
        yield from reported(
            work, summary, config.report_path, lambda: news_of(context.instance, kept.questions, settings)
        )


def _work(
    context: dg.OpExecutionContext, config: KeepRunConfig, settings: Settings, summary: dict[str, Any], kept: Kept
) -> Iterator[Event]:
    done, progress = told_before(context), Progress(config.report_path, context.log.info)
    for asset in kept.assets:
        if asset in done:
            continue
        progress(asset)
        numbers = summary["assets"][asset] = kept.make(settings, asset, everything=config.everything, progress=progress)
        context.log.info(f"{asset}: {numbers}")
        was_told = context.instance.get_latest_materialization_event(dg.AssetKey(asset)) is not None
        if numbers["changed"] or not was_told:
            yield dg.AssetMaterialization(asset, metadata=numbers)
