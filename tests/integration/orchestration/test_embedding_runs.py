"""Vectors through Dagster: a slice every few minutes, a backfill by bucket, and what both say of what is left."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import multiprocessing
import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from vector_desk import add_document, vectors_are_whole

from assets.embeddings import embed_job, embeddings
from resources.partitions import TEXTS
from resources.platform import Platform

AUTOGROUP = Path("/proc/self/autogroup")
TITLES = ("Angebot", "Rechnung", "Protokoll")


@pytest.fixture
def buckets(database_url: str) -> list[str]:
    """In which buckets the texts of a small office are."""
    return sorted({str(add_document(database_url, title, f"{title} vom Montag"))[0] for title in TITLES})


def _run(instance: dg.DagsterInstance, platform: Platform, **config: Any) -> dg.ExecuteInProcessResult:
    return embed_job.execute_in_process(
        instance=instance,
        resources={"platform": platform},
        run_config={"ops": {"embed_slice": {"config": config}}},
        raise_on_error=False,
    )


def _told(result: dg.ExecuteInProcessResult) -> list[str | None]:
    return sorted(event.partition for event in result.filter_events(lambda event: event.is_step_materialization))


def test_a_slice_embeds_what_is_missing_and_tells_of_the_buckets_in_which_it_did(
    buckets: list[str], instance: dg.DagsterInstance, platform: Platform, database_url: str
) -> None:
    first = _run(instance, platform)
    assert first.success
    assert _told(first) == buckets
    [event, *_] = first.filter_events(lambda event: event.is_step_materialization)
    numbers = {name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()}
    assert numbers["progress"] == "3 of 3 texts"
    assert (numbers["texts"], numbers["chunks"], numbers["failed"], numbers["left"]) == (3, 3, 0, 0)
    assert numbers["chunks_per_second"] > 0
    assert numbers["tokens_per_second"] > 0
    assert vectors_are_whole(database_url)
    assert _told(_run(instance, platform)) == []


def test_a_slice_that_has_no_time_leaves_the_rest_and_says_so(
    buckets: list[str], instance: dg.DagsterInstance, platform: Platform
) -> None:
    result = _run(instance, platform, seconds=1e-9)
    assert result.success
    assert _told(result) == []


def test_the_asset_embeds_its_buckets_and_says_of_each_how_far_it_is(
    buckets: list[str], instance: dg.DagsterInstance, platform: Platform
) -> None:
    keys = TEXTS.get_partition_keys()
    result = dg.materialize(
        [embeddings],
        instance=instance,
        resources={"platform": platform},
        tags={"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]},
        selection=[embeddings],
    )
    events = result.asset_materializations_for_node("embeddings")
    rows = {event.partition: event.metadata["dagster/row_count"].value for event in events}
    assert sorted(rows) == sorted(keys)
    assert sum(rows.values()) == 3
    assert sorted(bucket for bucket, count in rows.items() if count) == buckets


def test_a_model_that_cannot_be_had_fails_the_run_with_what_to_do_and_its_check(
    buckets: list[str], instance: dg.DagsterInstance, platform: Platform
) -> None:
    sick = Platform(overrides=platform.overrides | {"embedding_model": "no/such-model"}, first_pause_seconds=0)
    failed = _run(instance, sick)
    assert not failed.success
    [step] = failed.get_step_failure_events()
    assert "The embedding model no/such-model" in str(step.step_failure_data.error)
    checks = {e.check_name: e.passed for e in failed.get_asset_check_evaluations()}
    assert checks["embedding_problem"] is False
    assert _run(instance, platform).success


def _niceness() -> tuple[int, str | None]:
    """Of this process, and of its session; None where the kernel keeps none for it."""
    told = AUTOGROUP.read_text().split() if AUTOGROUP.exists() else []
    return os.getpriority(os.PRIO_PROCESS, 0), told[-1] if told else None


def test_a_run_leaves_the_processor_to_others_and_their_processes_as_they_are(platform: Platform) -> None:
    sick = Platform(overrides=platform.overrides | {"embedding_model": "no/such-model"}, first_pause_seconds=0)
    forked, before = multiprocessing.get_context("fork"), _niceness()
    told = forked.SimpleQueue()

    def run() -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            _run(instance, sick)
        told.put(_niceness())

    process = forked.Process(target=run)  # as Dagster's code server starts each run as its child
    process.start()
    process.join(120)
    assert process.exitcode == 0
    niceness, of_session = told.get()
    assert niceness == max(10, before[0])
    assert of_session in ("10", None)
    told.close()
    process.close()
    assert _niceness() == before
    _run(dg.DagsterInstance.ephemeral(), sick)
    assert _niceness() == before
