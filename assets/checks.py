"""The questions of `ibhelm_pipelines.db` as asset checks: without partitions, over the tables as they are now.

An op that answers several can be subset, because a job that selects one asset selects that asset's checks with it. The
jobs answer them too, at their end, whether they went well or not, so that none stays green from an older day.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dagster as dg

from ibhelm_pipelines.db.checks import (
    EMBEDDING_QUESTIONS,
    FILE_QUESTIONS,
    LIVE_QUESTIONS,
    MISSIVE_QUESTIONS,
    REGISTER_QUESTIONS,
    SEARCH_QUESTIONS,
    TEAMWORK_QUESTIONS,
)
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.question import Answer, Question, ask
from ibhelm_pipelines.db.safety_checks import (
    BACKUP_QUESTIONS,
    DRILL_QUESTIONS,
    MANIFEST_QUESTIONS,
    MIRROR_QUESTIONS,
    RETENTION_QUESTIONS,
)
from ibhelm_pipelines.settings import Settings
from resources.platform import Platform

SEVERITIES = {"error": dg.AssetCheckSeverity.ERROR, "warning": dg.AssetCheckSeverity.WARN}


def _checks(name: str, questions: Sequence[Question]) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=name,
        specs=[dg.AssetCheckSpec(q.name, asset=q.asset, description=q.about) for q in questions],
        can_subset=True,
    )
    def ask_selected(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterator[dg.AssetCheckResult]:
        selected = {(key.asset_key.to_user_string(), key.name) for key in context.selected_asset_check_keys}
        with platform.working(context, asset=name) as settings:
            answers = answer([q for q in questions if (q.asset, q.name) in selected], settings)
        for one in answers:
            yield dg.AssetCheckResult(check_name=one.question.name, **_result(one))

    return ask_selected


file_checks = _checks("file_checks", FILE_QUESTIONS + LIVE_QUESTIONS)
teamwork_checks = _checks("teamwork_checks", TEAMWORK_QUESTIONS)
missive_checks = _checks("missive_checks", MISSIVE_QUESTIONS)
register_checks = _checks("register_checks", REGISTER_QUESTIONS)
search_checks = _checks("search_checks", SEARCH_QUESTIONS)
embedding_checks = _checks("embedding_checks", EMBEDDING_QUESTIONS)
manifest_checks = _checks("manifest_checks", MANIFEST_QUESTIONS)
mirror_checks = _checks("mirror_checks", MIRROR_QUESTIONS)
retention_checks = _checks("retention_checks", RETENTION_QUESTIONS)
backup_checks = _checks("backup_checks", BACKUP_QUESTIONS + DRILL_QUESTIONS)

CHECKS = (
    *(file_checks, teamwork_checks, missive_checks, register_checks, search_checks, embedding_checks),
    *(backup_checks, manifest_checks, mirror_checks, retention_checks),
)


def evaluations(questions: Sequence[Question], settings: Settings) -> Iterator[dg.AssetCheckEvaluation]:
    """Answer these questions for an op that is no asset check itself."""
    for one in answer(questions, settings):
        yield dg.AssetCheckEvaluation(check_name=one.question.name, **_result(one))


def news_of(
    instance: dg.DagsterInstance, questions: Sequence[Question], settings: Settings
) -> Iterator[dg.AssetCheckEvaluation]:
    """Answer likewise, but without what Dagster knows: that all is still well."""
    keys = [dg.AssetCheckKey(dg.AssetKey(question.asset), question.name) for question in questions]
    known = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    for evaluation in evaluations(questions, settings):
        record = known.get(evaluation.asset_check_key)
        newest = record.evaluation if record else None
        if not (evaluation.passed and newest is not None and newest.passed):
            yield evaluation


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
