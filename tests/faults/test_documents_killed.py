"""kill -9 of whoever makes documents, at any of its statements: each document is the old one or the new one, its words
are counted once, and the next run makes up for the rest.
"""

from __future__ import annotations

from functools import partial

import pytest
from documents_desk import KITA, DocumentsDesk
from killed_child import run_in_child

from ibhelm_pipelines.search.documents import index_documents
from ibhelm_pipelines.settings import Settings

CHANGES = (
    "update content_texts set text = 'Die Regenhaube tropft.' where text like 'Die Brand%%'",
    "update projects set name = '2301 Kita am Park'",
    "update tasks set state = 'deleted' where name = 'Abnahme'",
)


@pytest.fixture
def desk(settings: Settings, owner_database_url: str) -> DocumentsDesk:
    return DocumentsDesk(settings, owner_database_url)


@pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.soak)])
def test_a_killed_run_leaves_nothing_half_and_the_next_one_makes_up_for_it(
    desk: DocumentsDesk, settings: Settings, step: int
) -> None:
    things = desk.fill()
    desk.index()
    for change in CHANGES:
        desk.run(change)
    die_at, sent = 1, None
    while sent is None:
        sent = run_in_child(partial(index_documents, settings), die_at=die_at)
        desk.assert_counts_are_whole()
        if sent is None and die_at % (3 * step) == 1:  # so that there is something to do when all is done
            desk.run("update files set name = %s where id = %s", f"{KITA}/{die_at}.pdf", things.other_file)
        die_at += step
    assert die_at > 2 * step
    killed = desk.documents()
    desk.assert_counts_are_exact()
    desk.run_as_owner("truncate search.documents")
    desk.index()
    assert desk.documents() == killed
