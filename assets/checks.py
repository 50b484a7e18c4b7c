"""The questions of `ibhelm_pipelines.db.checks` as asset checks: without partitions, over the tables as they are now.

One op answers them all and can be subset, because a job that selects one asset selects that asset's checks with it. The
scan job answers them too, at its end, whether it went well or not, so that none stays green from an older day.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

from ibhelm_pipelines.db.checks import QUESTIONS, Answer, Question, ask
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.settings import Settings
from resources.platform import Platform

SEVERITIES = {"error": dg.AssetCheckSeverity.ERROR, "warning": dg.AssetCheckSeverity.WARN}


@dg.multi_asset_check(
    specs=[dg.AssetCheckSpec(q.name, asset=q.asset, description=q.about) for q in QUESTIONS], can_subset=True
)
def file_checks(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterator[dg.AssetCheckResult]:
    """Ask the selected questions."""
    selected = {(key.asset_key.to_user_string(), key.name) for key in context.selected_asset_check_keys}
    with platform.working(context, asset="file_checks") as settings:
        answers = answer([q for q in QUESTIONS if (q.asset, q.name) in selected], settings)
    for one in answers:
        yield dg.AssetCheckResult(check_name=one.question.name, **_result(one))


def evaluations(settings: Settings) -> Iterator[dg.AssetCheckEvaluation]:
    """Answer all questions for an op that is no asset check itself."""
    for one in answer(QUESTIONS, settings):
        yield dg.AssetCheckEvaluation(check_name=one.question.name, **_result(one))


def answer(questions: Iterable[Question], settings: Settings) -> list[Answer]:
    """Ask these questions over one connection."""
    with connect(settings.require_database_url(), application="checks", autocommit=True) as connection:
        return [ask(connection, question) for question in questions]


def _result(one: Answer) -> dict[str, Any]:
    return {
        "asset_key": dg.AssetKey(one.question.asset),
        "passed": one.passed,
        "severity": SEVERITIES[one.question.severity],
        "description": one.problem or f"{one.question.about}.",
        "metadata": _metadata(one),
    }


def _metadata(one: Answer) -> dict[str, dg.MetadataValue[Any]]:
    metadata: dict[str, dg.MetadataValue[Any]] = {"count": dg.MetadataValue.int(one.count)}
    if not one.passed:
        metadata["what to do"] = dg.MetadataValue.text(one.next_step)
        metadata["rows"] = dg.MetadataValue.table([dg.TableRecord(row) for row in one.rows])
    return metadata
