"""How well the search finds what it is asked for: judged queries over the demo office, in words, in meaning, in both.

The floors are a little below what was measured (docs/search-quality.md). They may be raised; who lowers one says why.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import search_quality
from measured_office import measured_office
from quality_floors import Floors
from search_office import DEMO

from ibhelm_pipelines.search.embedding import embed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from search_quality import Answers

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres
    from ibhelm_pipelines.local.s3 import EmbeddedS3
    from ibhelm_pipelines.settings import Settings

MODEL = os.environ.get("IBHELM_TEST_EMBEDDING_MODEL")

FLOORS = Floors(
    queries=200,
    of_a_kind=15,
    ndcg={"lexical": 0.865, "vector": 0.735, "hybrid": 0.92},
    recall={"lexical": 0.895, "vector": 0.865, "hybrid": 0.96},
    by_kind={
        "words": 0.93, "compounds": 0.94, "inflections": 0.93, "typos": 0.95, "umlauts": 0.96, "codes": 0.95,
        "meaning": 0.58, "questions": 0.84, "names": 0.97, "english": 0.88, "filters": 0.93, "phrases": 0.97,
        "long": 0.88, "filenames": 0.98,
    },
    margin=0.03,
    margin_of_half=0.02,
)  # fmt: skip

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def office(postgres: EmbeddedPostgres, s3: EmbeddedS3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The demo office, with its documents and their vectors."""
    with measured_office(DEMO, postgres, s3, tmp_path_factory.mktemp("quality")) as settings:
        yield settings


@pytest.fixture(scope="module")
def answers(office: Settings) -> Answers:
    """What all lanes found for all queries."""
    answers = search_quality.measure(DEMO, office, search_quality.judged_queries(DEMO, office))
    print(search_quality.table(answers))  # noqa: T201 - the figures are what one wants to see (-s)
    return answers


def test_there_is_enough_to_measure(office: Settings) -> None:
    FLOORS.check_queries(DEMO, office)


@pytest.mark.parametrize("lane", search_quality.LANES)
def test_each_lane_finds_what_it_found_when_the_floors_were_set(answers: Answers, lane: str) -> None:
    FLOORS.check_lane(answers, lane)


@pytest.mark.parametrize("kind", FLOORS.by_kind)
def test_no_kind_of_query_is_given_up_for_another(answers: Answers, kind: str) -> None:
    FLOORS.check_kind(answers, kind)


def test_words_and_meaning_together_are_better_than_either(answers: Answers) -> None:
    FLOORS.check_margins(answers)


def test_so_they_are_for_queries_by_which_nobody_tuned(answers: Answers) -> None:
    FLOORS.check_margins_of_half(answers)


@pytest.mark.skipif(MODEL is None, reason="IBHELM_TEST_EMBEDDING_MODEL names no model beside the light one")
def test_a_stronger_model_is_no_worse_than_the_light_one(office: Settings, answers: Answers) -> None:
    stronger = office.model_copy(update={"embedding_model": MODEL})
    embed(stronger)
    found = search_quality.measure(DEMO, stronger, search_quality.judged_queries(DEMO, office))
    print(search_quality.table(found))  # noqa: T201 - as above
    for lane in ("vector", "hybrid"):
        assert search_quality.average(found[lane], "ndcg") >= search_quality.average(answers[lane], "ndcg")
