"""What people call the same thing: the list, and what it adds to a query."""

from __future__ import annotations

from collections import Counter

import pytest

from ibhelm_pipelines.search.query import Phrase, parse
from ibhelm_pipelines.search.synonyms import LIST, synonyms


def _called(typed: str) -> set[str]:
    [clause] = parse(typed).clauses
    return {
        " ".join(word.text for word in each.words) if isinstance(each, Phrase) else each.text
        for each in synonyms(clause)
    }


@pytest.mark.parametrize(
    ("typed", "other"),
    [
        ("Klo", "WC"),
        ("wc", "Toilette"),
        ("Kältemaschinen", "chiller"),  # inflected
        ("Waermepumpe", "heat pump"),  # without umlauts; two words follow each other
        ("FI-Schalter", "RCD"),
    ],
)
def test_a_thing_is_found_by_whatever_it_is_called(typed: str, other: str) -> None:
    assert other in _called(typed)


@pytest.mark.parametrize("typed", ['"Klo Herren"', "Dachgeschoss", "DN 50", "4711"])
def test_what_is_quoted_or_has_no_other_name_stays_as_it_is(typed: str) -> None:
    assert _called(typed) == set()


def test_each_name_stands_in_one_line_beside_others() -> None:
    lines = [line for line in LIST.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    names = Counter(name.strip().casefold() for line in lines for name in line.split(","))
    assert [name for name, count in names.items() if count > 1 or not name] == []
    assert all("," in line for line in lines)
