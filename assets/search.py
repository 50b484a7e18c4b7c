"""What the search looks into: a document of every file, mail, comment and task, with its words and facets. An asset
without partitions; what differs from what there is is made anew.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Callable

import dagster as dg

from assets.folder_asset import CODE_VERSION, OWNERS
from assets.reporting import ROW_COUNT, Numbers
from ibhelm_pipelines.search.documents import DocumentsReport, index_documents
from ibhelm_pipelines.settings import Settings
from resources.platform import Platform

GROUP = "search"

UPSTREAM = {
    "search_documents": ["item_links", "people", "extracted_text", "missive_comments", "teamwork_comments"],
}
"""What each asset is made of."""


def make_documents(
    settings: Settings, name: str, *, everything: bool = False, progress: Callable[[str], None] = lambda _: None
) -> Numbers:
    """Make the documents and return what was done; raises what `index_documents` raises.

    Args:
        settings: of this process.
        name: of the asset, the only one.
        everything: also documents of what has not changed.
        progress: told what is being done.
    """
    assert name in UPSTREAM
    return _numbers(index_documents(settings, everything=everything, progress=progress))


def _numbers(report: DocumentsReport) -> Numbers:
    seconds = max(report.seconds, 0.001)
    return {
        ROW_COUNT: sum(report.documents.values()),
        **{f"{kind}_documents": count for kind, count in report.documents.items()},
        **{f"{kind}_looked_at": count for kind, count in report.looked_at.items()},
        "changed": report.changed + report.removed,
        "written": report.changed,
        "removed": report.removed,
        "waiting": report.waiting,
        "failed": report.failed,
        "vocabulary": report.vocabulary,
        "seconds": round(report.seconds, 3),
        "documents_per_second": round(report.looked_at.total() / seconds, 1),
        "words_per_second": round(report.words / seconds, 1),
    }


@dg.asset(
    deps=UPSTREAM["search_documents"],
    group_name=GROUP,
    kinds={"postgres"},
    description="Everything that can be found: files, mails, comments and tasks, with their words and what they"
    " belong to. What is deleted leaves at once.",
    owners=OWNERS,
    code_version=CODE_VERSION,
)
def search_documents(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Make the documents of everything anew, and write what differs."""
    with platform.working(context, asset="search_documents") as settings:
        numbers = make_documents(settings, "search_documents", everything=True)
    return dg.MaterializeResult(metadata=numbers)
