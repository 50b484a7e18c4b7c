"""The job behind the schedule that brings the documents in line with what there is, then the checks."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Iterator

import dagster as dg

from assets.job_report import Event
from assets.keep_job import KeepRunConfig, Kept, keep
from assets.search import UPSTREAM, make_documents
from ibhelm_pipelines.db.checks import SEARCH_QUESTIONS
from resources.lanes import LANE_TAG, SEARCH_JOB
from resources.platform import Platform

_SEARCH = Kept(job=SEARCH_JOB, assets=UPSTREAM, make=make_documents, questions=SEARCH_QUESTIONS)


@dg.op(out={})
def keep_search(context: dg.OpExecutionContext, config: KeepRunConfig, platform: Platform) -> Iterator[Event]:
    """Make the documents of what changed; tell Dagster of it; then ask what could be wrong, however it went."""
    yield from keep(context, config, platform, _SEARCH)


@dg.job(name=SEARCH_JOB, tags={LANE_TAG: "search"})
def search_job() -> None:
    """Bring what can be found in line with files, mails, tasks and what they belong to."""
    keep_search()
