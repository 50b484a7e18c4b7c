"""The job behind the schedule and `ibhelm rules apply`: the register's assets in their order, then the checks."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Iterator

import dagster as dg

from assets.job_report import Event
from assets.keep_job import KeepRunConfig, Kept, keep
from assets.register import UPSTREAM, make_asset
from ibhelm_pipelines.db.checks import REGISTER_QUESTIONS
from resources.lanes import LANE_TAG, REGISTER_JOB
from resources.platform import Platform

_REGISTER = Kept(job=REGISTER_JOB, assets=UPSTREAM, make=make_asset, questions=REGISTER_QUESTIONS)


@dg.op(out={})
def keep_register(context: dg.OpExecutionContext, config: KeepRunConfig, platform: Platform) -> Iterator[Event]:
    """Recompute one asset after the other; tell Dagster of each; then ask what could be wrong, however it went."""
    yield from keep(context, config, platform, _REGISTER)


@dg.job(name=REGISTER_JOB, tags={LANE_TAG: "register"})
def register_job() -> None:
    """Bring the register in line with files, vendors, rules and what people decided."""
    keep_register()
