"""How well the search finds in real files that nobody made for it: judged queries over the shared corpus, German ones
mostly, of documents mostly in English.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import search_corpus
import tables
from measured_office import measured_office
from quality_floors import Floors, Measured, QualityClaims, measure_office

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres
    from ibhelm_pipelines.local.s3 import EmbeddedS3

FLOORS = Floors(
    queries=220,
    of_a_kind=11,
    ndcg={"lexical": 0.705, "vector": 0.725, "hybrid": 0.915},
    recall={"lexical": 0.73, "vector": 0.88, "hybrid": 0.965},
    by_kind={
        "words": 0.95, "english": 0.83, "typos": 0.95, "umlauts": 0.96, "codes": 0.96, "questions": 0.9,
        "meaning": 0.62, "languages": 0.7, "names": 0.96, "phrases": 0.95, "pages": 0.92, "long": 0.93,
        "filters": 0.95, "filenames": 0.97,
    },
    margin=0.15,
    margin_of_half=0.13,
)  # fmt: skip

MOST_FILES = 300

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def measured(
    shared_corpus: Path, postgres: EmbeddedPostgres, s3: EmbeddedS3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Measured]:
    """The corpus as an office: its files in a database, with their documents and their vectors."""
    corpus = search_corpus.corpus_office(shared_corpus)
    with measured_office(corpus, postgres, s3, tmp_path_factory.mktemp("quality")) as settings:
        yield measure_office(corpus, settings)


class TestCorpus(QualityClaims):
    """Real files."""

    FLOORS = FLOORS


def test_the_files_and_their_vectors_are_so_few_that_they_are_made_in_a_minute(measured: Measured) -> None:
    url = measured.settings.require_database_url()
    [(files,)] = tables.ask(url, "select count(*) from files where deleted_at is null")
    assert 200 < files < MOST_FILES
    [(last,)] = tables.ask(url, "select max(ordinal) from search.chunks")
    assert last == search_corpus.MOST_PARTS - 1


def test_a_judgement_of_a_file_that_the_corpus_has_not_is_refused(shared_corpus: Path) -> None:
    meant = search_corpus.meant(shared_corpus)
    assert meant("47782998-176446.pdf") == meant("47782998") == {"47782998-176446.pdf"}
    assert meant("47782998-another.pdf") == meant("00000000") == meant("") == set()
    assert meant("205f674b-german.msg") == {"00d16e98-german_decoded_1.txt"}, "copies count as one"
