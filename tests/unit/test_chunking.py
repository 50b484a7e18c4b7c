"""Chunks hold every word of a text, say where they stand, and are cut where a reader would cut."""

from __future__ import annotations

import base64
import random
import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ibhelm_pipelines.search.chunking import (
    LONGEST,
    MOST_CHUNKS,
    OVERLAP,
    TARGET,
    chunks,
    embedded_text,
    is_worth_a_vector,
    passages,
)

SENTENCE = "Die Lüftungsanlage im Neubau wird nach der Begehung am Montag vom Bauherrn abgenommen."
WORDS = st.text("abcdefghäß.,!?-DEF019", min_size=1, max_size=30)
SPACES = st.sampled_from(
    [" ", " ", " ", " ", "\n", "\n\n", "  ", ". ", "\f", "\n\f\n", "\n> ", "\n-- \n", "\t", "\n3.1 "]
)
TEXTS = st.one_of(
    st.lists(st.tuples(WORDS, SPACES), max_size=400).map(lambda pairs: "".join(map("".join, pairs))),
    st.text(max_size=3000),
    st.builds(lambda word, times: word * times, st.text(min_size=1, max_size=12), st.integers(1, 600)),
)


@given(TEXTS)
@example("x" * 5000)
@example("Wort " + "x" * 2000)
@example("\f\f\n \f")
@example((SENTENCE + " ") * 200)
def test_passages_hold_every_word_whole_and_in_order(text: str) -> None:
    """The words of a passage are counted by where they stand: an overlap tells none twice."""
    where = [match.span() for match in re.finditer(r"\S+", text)]
    told: set[tuple[int, int]] = set()
    for passage in passages(text):
        end = passage.start + passage.length
        assert passage.length > 0
        assert passage.of(text) == passage.of(text).strip()
        inside = {span for span in where if span[0] >= passage.start and span[1] <= end}
        assert not [span for span in where if span not in inside and span[0] < end and span[1] > passage.start]
        told |= inside
    assert sorted(told) == where


@given(TEXTS)
def test_each_passage_says_on_which_page_it_stands_and_does_not_leave_it(text: str) -> None:
    for passage in passages(text):
        assert "\f" not in passage.of(text)
        assert passage.page == (text.count("\f", 0, passage.start) + 1 if "\f" in text else None)


@given(TEXTS)
def test_passages_go_forward_and_overlap_little(text: str) -> None:
    found = list(passages(text))
    assert [passage.ordinal for passage in found] == list(range(len(found)))
    for before, after in pairwise(found):
        end = before.start + before.length
        assert before.start < after.start
        assert end < after.start + after.length
        assert end - after.start <= OVERLAP
        assert after.length <= LONGEST or " " not in after.of(text)[LONGEST:]


def test_prose_is_cut_near_the_target_between_sentences_and_overlaps_by_whole_ones() -> None:
    text = " ".join(f"Satz {number} beginnt hier. {SENTENCE}" for number in range(1000, 1100))
    found = list(passages(text))
    assert {passage.of(text)[-1] for passage in found} == {"."}
    assert all(TARGET * 0.8 <= passage.length <= LONGEST for passage in found[:-1])
    assert all(re.match(r"Satz|Die", passage.of(text)) for passage in found)
    overlaps = [before.start + before.length - after.start for before, after in pairwise(found)]
    assert all(0 < overlap <= OVERLAP for overlap in overlaps)


@pytest.mark.parametrize("heading", ["3.2 Brandschutzklappen", "Brandschutzklappen im Technikraum"])
def test_a_heading_begins_a_chunk_together_with_what_stands_below_it(heading: str) -> None:
    text = "\n".join([SENTENCE] * 8) + f"\n\n{heading}\n\n" + "\n".join([SENTENCE] * 8)
    assert [passage.of(text).startswith(heading) for passage in passages(text)] == [False, True]


def test_quoted_text_and_signature_of_a_mail_begin_chunks() -> None:
    own, quoted = "\n".join([SENTENCE] * 7), "\n".join([f"> {SENTENCE}"] * 7)
    text = f"{own}\n{quoted}\n-- \nHans Müller\nPlanungsbüro"
    found = [passage.of(text) for passage in passages(text)]
    assert found == [own, f"{quoted}\n-- \nHans Müller\nPlanungsbüro"]


def test_abbreviations_and_dates_end_no_sentence() -> None:
    sentence = "Am 12. März wurde z. B. die Anlage Nr. 5 in Betrieb genommen und eingestellt."
    text = " ".join([sentence] * 60)
    assert {passage.of(text)[:5] for passage in passages(text)} == {"Am 12"}


@pytest.mark.parametrize(
    "text",
    [
        SENTENCE,
        "Bitte zurückrufen",
        "Pos. 1.2.3 Brandschutzklappe DN 250, EI 90, mit Motor, 4 Stück je 412,50 EUR",
        "Please find attached the revised drawings for the plant room.",
        "Пожалуйста, пришлите чертежи до пятницы.",
        "KG 430 Lufttechnische Anlagen\n431 Lüftungsanlagen\n434 Kälteanlagen",
        "RLT-GERÄT DACHAUFSTELLUNG AUSSENLUFT FORTLUFT",
    ],
)
def test_what_somebody_wrote_is_worth_a_vector(text: str) -> None:
    assert is_worth_a_vector(text)


NOISE = random.Random(20_261_123)


@pytest.mark.parametrize(
    "text",
    [
        " ".join(f"{NOISE.uniform(0, 1000):.2f}".replace(".", ",") for _ in range(150)),
        base64.encodebytes(NOISE.randbytes(600)).decode(),
        NOISE.randbytes(400).hex(" ", 8),
        "l1 |. ~ r;n .: _-, ¦ 1l! '' ,. ii /\\ |l| .;: =- ]J t. 1I, ..~ «» °o° ,' |_ -.",
        "DN50 DN65 DN80 DN100 DN125 DN150 2.01 2.02 2.03 EG.14 EG.15",
        "____________________ .................... --------",
        "",
    ],
)
def test_numbers_noise_and_encoded_bytes_are_not(text: str) -> None:
    assert not is_worth_a_vector(text)


def test_chunks_are_the_worthy_passages_numbered_anew_and_no_more_than_there_may_be() -> None:
    numbers = "12,50 33,10 17,22 4.711\n" * 10
    text = "\f".join(f"{SENTENCE}\f{numbers}" for _ in range(MOST_CHUNKS + 50))
    found = chunks(text)
    assert [chunk.ordinal for chunk in found] == list(range(MOST_CHUNKS))
    assert [chunk.page for chunk in found] == list(range(1, 2 * MOST_CHUNKS, 2))
    assert {chunk.of(text) for chunk in found} == {SENTENCE}


def test_a_full_text_needs_fewer_chunks_than_there_may_be() -> None:
    text = (SENTENCE + " ") * (200_000 // len(SENTENCE))
    assert 200 < len(chunks(text)) < MOST_CHUNKS


def test_the_model_reads_the_title_before_each_chunk() -> None:
    assert embedded_text("Protokoll vom Montag", SENTENCE) == f"Protokoll vom Montag\n{SENTENCE}"
    assert len(embedded_text("x" * 5000, SENTENCE)) < len(SENTENCE) + 300
