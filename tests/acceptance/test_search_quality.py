"""How well the search finds what it is asked for: judged queries over the demo office, in words, meaning, and both."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from measured_office import measured_office
from quality_floors import Floors, Measured, QualityClaims, measure_office
from search_office import DEMO
from search_quality import average

from ibhelm_pipelines.search.embedding import embed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres
    from ibhelm_pipelines.local.s3 import EmbeddedS3

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
def measured(
    postgres: EmbeddedPostgres, s3: EmbeddedS3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Measured]:
    """The demo office, with its documents and their vectors."""
    with measured_office(DEMO, postgres, s3, tmp_path_factory.mktemp("quality")) as settings:
        yield measure_office(DEMO, settings)


class TestDemoOffice(QualityClaims):
    """The office that the demo makes up."""

    FLOORS = FLOORS


@pytest.mark.skipif(MODEL is None, reason="IBHELM_TEST_EMBEDDING_MODEL names no model beside the light one")
def test_a_stronger_model_is_no_worse_than_the_light_one(measured: Measured) -> None:
    stronger = measured.settings.model_copy(update={"embedding_model": MODEL})
    embed(stronger)
    found = measure_office(DEMO, stronger).answers
    for lane in ("vector", "hybrid"):
        assert average(found[lane], "ndcg") >= average(measured.answers[lane], "ndcg")
