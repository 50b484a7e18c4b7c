"""Office files from everywhere: nearly all give their text, and every other one says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ibhelm_pipelines.content import office, old_office
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.sniff import HEAD_BYTES, sniff
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    from pathlib import Path

    from ibhelm_pipelines.content.outcome import Outcome

LIMITS = Limits(seconds=60, memory_mb=1024, text_chars=5_000_000)
READERS = {"office": office.text, "old_office": old_office.text}

WORDLESS = {
    # Nothing but pictures, or shapes without a word; looked at one by one.
    "1aae10f9-testRTFIgnoredControlWord.rtf",
    "247eb478-testODTEmbeddedImageLink.odt",
    "360db5c1-TechlibDEC99-JAN00.doc",
    "375f5414-testPPT_embeddedMP3.pptx",
    "50d9b17f-headerPic.docx",
    "5318e848-pictures.ppt",
    "5a40e78b-testWPSAttachment.ppt",
    "5d0174fe-testWPSAttachment.pptx",
}
PROTECTED = {
    "09b941ca-testWORD_protected_passtika.docx",
    "152e2429-testPPT_protected_passtika.ppt",
    "254d301a-protected_normal_case.docx",
}

WORDS = {
    "105709ab-testWORD_endnote_table.docx": "Maecenas porttitor",
    "0b7355dd-testRTFUmlautSpaces.rtf": "Übersicht",
    "68e99ef6-testRTFWindowsCodepage1250.rtf": "zażółć gęślą jaźń",
    "24f56e90-testPPT_various2.pptx": "NotesForSlide2",
    "54b63031-testEXCEL-formats.xls": "1.599,99",
    "5ccc0251-testEXCEL_dateFormats.xlsx": "20.09.2018",
    "5ca19b67-testWORD.doc": "This is the header for our document",
    "4bc71ee7-ecdl+paris2001.ppt": "JISC programme outlines",
    "0d87908a-testComment.xls": "Here is a comment",
    "4a145b8d-testFooter.ods": "Data 1",
}
"""What some of them say, in a place that readers tend to skip."""


def read(path: Path) -> Outcome | str | None:
    """The outcome, or the reason of a failure; None when the bytes are no Office file, whatever the name says."""
    with path.open("rb") as file:
        kind = sniff(file.read(HEAD_BYTES), path.suffix[1:].lower())
        if kind.family not in READERS:
            return None
        file.seek(0)
        try:
            return READERS[kind.family](file, LIMITS)
        except SuspectFileError as error:
            return error.problem


@pytest.fixture(scope="module")
def outcomes(shared_corpus: Path) -> dict[str, Outcome | str]:
    found = {path.name: read(path) for path in sorted((shared_corpus / "office").iterdir())}
    return {name: outcome for name, outcome in found.items() if outcome is not None}


def test_at_least_97_percent_of_the_good_office_files_give_their_text(outcomes: dict[str, Outcome | str]) -> None:
    good = {name: outcome for name, outcome in outcomes.items() if name not in WORDLESS | PROTECTED}
    assert len(good) > 120
    read = [name for name, outcome in good.items() if not isinstance(outcome, str) and outcome.text]
    assert len(read) >= 0.97 * len(good), sorted(set(good) - set(read))


def test_every_other_office_file_has_its_reason(outcomes: dict[str, Outcome | str]) -> None:
    reasons = {
        name: outcome if isinstance(outcome, str) else (outcome.state, outcome.reason)
        for name, outcome in outcomes.items()
        if isinstance(outcome, str) or outcome.state != "ok"
    }
    assert {name: reasons.pop(name) for name in WORDLESS} == dict.fromkeys(WORDLESS, ("empty", office.NOTHING))
    assert {name: reasons.pop(name) for name in PROTECTED} == dict.fromkeys(PROTECTED, ("unsupported", office.LOCKED))
    assert reasons == {"49d6eaf7-ecdl paris.ppt": ("unsupported", old_office.TOO_OLD)}


def test_words_in_notes_headers_and_formats_are_found(outcomes: dict[str, Outcome | str]) -> None:
    texts = {name: outcomes[name] for name in WORDS}
    missing = {
        name: word
        for name, word in WORDS.items()
        if isinstance(found := texts[name], str) or word not in (found.text or "")
    }
    assert missing == {}
