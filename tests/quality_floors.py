"""Floors under how well the search finds, in one office: what must be true of its judged queries and of the answers.

The floors are a little below what was measured (docs/search-quality.md). They may be raised; who lowers one says why.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from search_quality import LANES, average, judged_queries, measure, of_half, of_kind, table, worst

if TYPE_CHECKING:
    from search_quality import Answer, Answers, Office

    from ibhelm_pipelines.settings import Settings

SHOWN = 12
"""Worst answers, when a floor is broken."""


@dataclass(frozen=True, kw_only=True)
class Floors:
    """What is required.

    Attributes:
        queries: so many there are, at least.
        of_a_kind: so many there are of each kind.
        ndcg: nDCG@10 of each lane.
        recall: recall@20 of each lane.
        by_kind: nDCG@10 of all lanes together.
        margin: by so much all lanes together are better than the words alone, and than the meaning alone.
        margin_of_half: the same, for the half of the queries by which nobody tuned.
    """

    queries: int
    of_a_kind: int
    ndcg: dict[str, float]
    recall: dict[str, float]
    by_kind: dict[str, float]
    margin: float
    margin_of_half: float

    def check_queries(self, office: Office, settings: Settings) -> None:
        """There is enough to measure, and what is judged is in the database."""
        queries = judged_queries(office, settings)
        assert len({query.text for query in queries}) == len(queries) >= self.queries
        kinds = Counter(query.kind for query in queries)
        assert kinds.keys() == self.by_kind.keys()
        assert min(kinds.values()) >= self.of_a_kind, kinds
        halves = Counter(query.half for query in queries)
        assert min(halves.values()) >= 0.4 * len(queries)
        judged = {name for query in queries for name in query.grades}
        assert judged <= set(office.keys(settings).values())

    def check_lane(self, answers: Answers, lane: str) -> None:
        """A lane finds what it found when the floors were set."""
        assert average(answers[lane], "ndcg") >= self.ndcg[lane], worst(answers[lane], SHOWN)
        assert average(answers[lane], "recall") >= self.recall[lane], worst(answers[lane], SHOWN)

    def check_kinds(self, answers: Answers) -> None:
        """Each kind of query is answered as well as when the floors were set."""
        found = {kind: of_kind(answers["hybrid"], kind) for kind in self.by_kind}
        sunk = {kind: worst(found[kind], SHOWN) for kind, floor in self.by_kind.items()
                if average(found[kind], "ndcg") < floor}  # fmt: skip
        assert sunk == {}

    def check_margins(self, answers: Answers) -> None:
        """All lanes together are better than the words alone, and than the meaning alone."""
        _check_margin(answers, self.margin)

    def check_margins_of_half(self, answers: Answers) -> None:
        """They are for the queries by which nobody tuned."""
        _check_margin({lane: of_half(found, "check") for lane, found in answers.items()}, self.margin_of_half)


def _check_margin(answers: dict[str, list[Answer]], margin: float) -> None:
    ndcg = {lane: average(found, "ndcg") for lane, found in answers.items()}
    assert ndcg["hybrid"] >= max(ndcg["lexical"], ndcg["vector"]) + margin, ndcg


@dataclass(frozen=True, kw_only=True)
class Measured:
    """An office in a database, and what all lanes found in it for its judged queries."""

    office: Office
    settings: Settings
    answers: Answers


def measure_office(office: Office, settings: Settings) -> Measured:
    """Ask all judged queries in all lanes."""
    answers = measure(office, settings, judged_queries(office, settings))
    print(table(answers))  # noqa: T201 - the figures are what one wants to see (-s)
    return Measured(office=office, settings=settings, answers=answers)


class QualityClaims:
    """What is promised of every office; a test class of one inherits it, and its module has a fixture `measured`."""

    FLOORS: Floors

    def test_there_is_enough_to_measure(self, measured: Measured) -> None:
        self.FLOORS.check_queries(measured.office, measured.settings)

    @pytest.mark.parametrize("lane", LANES)
    def test_each_lane_finds_what_it_found_when_the_floors_were_set(self, measured: Measured, lane: str) -> None:
        self.FLOORS.check_lane(measured.answers, lane)

    def test_no_kind_of_query_is_given_up_for_another(self, measured: Measured) -> None:
        self.FLOORS.check_kinds(measured.answers)

    def test_words_and_meaning_together_are_better_than_either(self, measured: Measured) -> None:
        self.FLOORS.check_margins(measured.answers)

    def test_so_they_are_for_queries_by_which_nobody_tuned(self, measured: Measured) -> None:
        self.FLOORS.check_margins_of_half(measured.answers)
