"""The measures of the search's quality, against what was computed by hand."""

from __future__ import annotations

import pytest
from search_measures import ndcg, recall

GRADES = {"a": 2, "b": 1, "c": 1}
BEST = 3 + 1 / 1.584962500721156 + 1 / 2  # gains 3, 1, 1; discounts log2(2), log2(3), log2(4)


@pytest.mark.parametrize(
    ("ranked", "expected"),
    [
        ("abc", 1.0),
        ("acb", 1.0),  # b and c are worth the same
        ("xyz", 0.0),
        ("", 0.0),
        ("bxa", (1 + 3 / 2) / BEST),  # 1 at place 1, 3 at place 3: / log2(4)
        ("xxxa", (3 / 2.321928094887362) / BEST),  # place 4: / log2(5)
    ],
)
def test_ndcg_is_the_discounted_gain_as_a_share_of_the_best(ranked: str, expected: float) -> None:
    assert ndcg(list(ranked), GRADES) == pytest.approx(expected)


def test_what_stands_behind_the_tenth_place_counts_for_nothing_in_ndcg() -> None:
    assert ndcg([*"0123456789", "a"], GRADES) == 0
    assert ndcg([*"012345678", "a"], {"a": 1}) == pytest.approx(1 / 3.4594316186372973)  # log2(11)


def test_the_best_has_ten_places_too() -> None:
    many = {str(number): 1 for number in range(30)}
    assert ndcg([str(number) for number in range(10)], many) == pytest.approx(1)


@pytest.mark.parametrize(
    ("ranked", "expected"),
    [("abc", 1.0), ("cxxxxa", 2 / 3), ("x", 0.0), ("x" * 19 + "a", 1 / 3), ("x" * 20 + "a", 0.0), ("aaa", 1 / 3)],
)
def test_recall_is_the_share_of_what_is_relevant_among_the_first_twenty(ranked: str, expected: float) -> None:
    assert recall(list(ranked), GRADES) == pytest.approx(expected)


def test_of_more_than_twenty_relevant_ones_twenty_are_all_that_can_be_found() -> None:
    many = {str(number): 1 for number in range(40)}
    assert recall([str(number) for number in range(20)], many) == 1
