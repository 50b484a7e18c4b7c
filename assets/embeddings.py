"""Vectors of all texts, by which the search finds what means the same in other words.

Sixteen partitions, by the first hex digit of the key of a text: a backfill after a change of model is cut by them. The
job `embed` does a slice of what is missing in all of them every few minutes, the newest first, for as long as it takes.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from assets.checks import news_of
from assets.folder_asset import CODE_VERSION, OWNERS
from assets.job_report import Event, Progress
from assets.reporting import ROW_COUNT, Numbers
from ibhelm_pipelines.db.checks import EMBEDDING_QUESTIONS
from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.local.priority import give_way
from ibhelm_pipelines.search.embedding import embed
from ibhelm_pipelines.search.embedding_report import EmbeddingReport
from resources.lanes import EMBEDDINGS_ASSET, EMBEDDINGS_JOB, LANE_TAG
from resources.partitions import TEN_A_RUN, TEXTS
from resources.platform import Platform

SLICE_SECONDS = 240.0
"""Of five minutes: then the run ends, and with it whatever it holds; the next one takes up what is new first."""


def bucket_numbers(report: EmbeddingReport, bucket: str) -> Numbers:
    """Return how far one bucket is, and what this run did in it."""
    texts, left = report.buckets.get(bucket, (0, 0))
    return {ROW_COUNT: texts - left, "left": left, "looked_at": report.touched[bucket]}


def run_numbers(report: EmbeddingReport) -> dict[str, Any]:
    """Return what the run did, how fast, and the sentence that says how long the rest takes."""
    return {
        "model": f"{report.model} {report.version}",
        "is serving": report.is_serving,
        "progress": report.sentence,
        "texts": report.texts,
        "empty": report.empty,
        "failed": report.failed,
        "chunks": report.chunks,
        "tokens": report.tokens,
        "chunks_per_second": round(report.chunks_per_second, 2),
        "tokens_per_second": round(report.tokens_per_second, 1),
        "seconds": round(report.seconds, 3),
        **({"problem": report.problem} if report.problem else {}),
        **({"why failed": dict(report.reasons)} if report.reasons else {}),
    }


with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)  # backfill policies, see folder_asset.py

    @dg.asset(
        name=EMBEDDINGS_ASSET,
        deps=["search_documents"],
        group_name="search",
        kinds={"postgres"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        partitions_def=TEXTS,
        backfill_policy=TEN_A_RUN,
        description="Chunks of all texts and their vectors, by the first hex digit of the key of a text.",
    )
    def embeddings(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
        """Embed all that is missing in the partitions of this run."""
        give_way()
        with platform.working(context, asset=EMBEDDINGS_ASSET) as settings:
            report = embed(settings, buckets=context.partition_keys, progress=Progress("", context.log.info))
        for bucket in context.partition_keys:
            context.add_asset_metadata(bucket_numbers(report, bucket), partition_key=bucket)
        return dg.MaterializeResult(metadata=run_numbers(report))


class EmbedRunConfig(dg.Config):
    """How long one run may take."""

    seconds: float = Field(default=SLICE_SECONDS, gt=0, description="No new batch is begun after so long, seconds")


@dg.op(out={})
def embed_slice(context: dg.OpExecutionContext, config: EmbedRunConfig, platform: Platform) -> Iterator[Event]:
    """Embed what is missing for some minutes; then ask what could be wrong, however it went."""
    give_way()
    with platform.working(context, asset=EMBEDDINGS_JOB) as settings:
        try:
            report = embed(settings, seconds=config.seconds, progress=Progress("", context.log.info))
        except IbhelmError:
            yield from news_of(context.instance, EMBEDDING_QUESTIONS, settings)
            raise
        context.log.info(f"{report.sentence}: {run_numbers(report)}")
        for bucket in sorted(report.touched):
            numbers = run_numbers(report) | bucket_numbers(report, bucket)
            yield dg.AssetMaterialization(EMBEDDINGS_ASSET, partition=bucket, metadata=numbers)
        yield from news_of(context.instance, EMBEDDING_QUESTIONS, settings)


@dg.job(name=EMBEDDINGS_JOB, tags={LANE_TAG: "embeddings"})
def embed_job() -> None:
    """Give new texts their vectors, and go on with those of older ones."""
    embed_slice()
