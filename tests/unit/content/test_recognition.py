"""Recognised pages join what the reader found: each in its place, failures counted, nothing made up."""

from __future__ import annotations

import pytest

from ibhelm_pipelines.content.lettering import can_hold_text, runs_down, wordiness
from ibhelm_pipelines.content.outcome import Facts, Outcome, failed
from ibhelm_pipelines.content.recognition import NO_TEXT, recognise
from ibhelm_pipelines.settings import Settings
from tests import scans

SETTINGS = Settings(_env_file=None)
FIRST = Outcome(
    state="ok", text="Deckblatt\f\f\f", pages_read=1, pictured=(1, 2, 3), facts=Facts(page_count=4, title="Akte")
)
BLANK = Outcome(state="empty", reason="No text", pages_read=0, pictured=(0, 1), facts=Facts(page_count=2))


def page(number: int) -> Outcome:
    return Outcome(state="ok", text=f"Seite {number}")


def test_a_page_that_kills_its_worker_costs_that_page() -> None:
    outcome = recognise(FIRST, SETTINGS, lambda number: failed("The reader crashed") if number == 2 else page(number))
    assert outcome.text == "Deckblatt\fSeite 1\f\fSeite 3"
    assert (outcome.pages_read, outcome.truncated) == (3, True)
    assert outcome.reason == "1 of 3 scanned pages could not be recognised"
    assert outcome.facts.title == "Akte"


def test_a_page_that_took_too_long_on_a_busy_machine_has_a_second_try() -> None:
    asked: list[int] = []

    def read(number: int) -> Outcome:
        asked.append(number)
        return page(number) if asked.count(number) > 1 else failed("The reader took longer", transient=True)

    assert recognise(FIRST, SETTINGS, read).text == "Deckblatt\fSeite 1\fSeite 2\fSeite 3"


def test_when_no_page_can_be_recognised_that_is_a_failure_and_not_emptiness() -> None:
    outcome = recognise(BLANK, SETTINGS, lambda _: failed("The reader crashed"))
    assert (outcome.state, outcome.reason, outcome.facts.page_count) == ("failed", "The reader crashed", 2)


def test_pages_without_text_are_empty() -> None:
    outcome = recognise(BLANK, SETTINGS, lambda _: Outcome(state="empty", reason="none"))
    assert (outcome.state, outcome.reason, outcome.pages_read, outcome.truncated) == ("empty", NO_TEXT, 2, False)


def test_a_file_that_changes_between_its_pages_gives_no_result() -> None:
    changed = Outcome(state="failed", reason="The file changed", transient=True, unread=True, changed=True)
    assert recognise(FIRST, SETTINGS, lambda number: changed if number == 2 else page(number)) == changed


def test_no_page_is_begun_when_the_time_is_over() -> None:
    settings = SETTINGS.model_copy(update={"ocr_seconds": -1})
    outcome = recognise(FIRST, settings, page)
    assert outcome.text == "Deckblatt\fSeite 1\f\f"
    assert outcome.truncated
    assert outcome.reason == "1 of 3 scanned pages were recognised: the time for one document was over"


def test_recognised_text_keeps_to_the_limit() -> None:
    settings = SETTINGS.model_copy(update={"text_max_chars": 12})
    outcome = recognise(FIRST, settings, page)
    assert (outcome.text, outcome.truncated) == ("Deckblatt\fSe", True)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_scan_is_told_from_a_photo_and_its_lines_from_columns(degrees: int) -> None:
    scan = scans.page().rotate(degrees, expand=True)
    assert can_hold_text(scan)
    assert can_hold_text(scans.noisy(scan, grain=20, specks=0.02))
    assert runs_down(scan) == (degrees in (90, 270))
    assert not can_hold_text(scans.photo())


@pytest.mark.parametrize("text", [scans.GERMAN, "All ducts shall be insulated with mineral wool"])
def test_words_are_told_from_what_is_read_upside_down(text: str) -> None:
    assert wordiness(text) > 0.5 > wordiness("allaisneg UN 00:01 7302 ZEW 12 JOaISYORN ZzuI Wxq jWuk dWv")
