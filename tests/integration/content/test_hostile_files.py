"""Hostile files: each ends as a row with a reason, and costs its neighbours nothing.

All go through the whole step together: share, database, object store and sandbox, beside healthy files. A file need not
fail: what is read within its bounds is as good an end as a reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hostile_packages as packages
import pymupdf
import pytest
from hostile_files import deflate_bomb, huge_png, laughing_forms, lying_jpeg, self_drawing_form
from hostile_readers import misbehave_as_the_file_says

from ibhelm_pipelines.content import families, programs
from ibhelm_pipelines.content.landlock import version as landlock_version
from ibhelm_pipelines.content.ledger import MAX_ATTEMPTS
from ibhelm_pipelines.content.seccomp import is_known
from ibhelm_pipelines.content.steps import READING_THREADS_PER_WORKER, StepReport, Steps
from ibhelm_pipelines.content.workers import Workers
from ibhelm_pipelines.objects.store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ibhelm_pipelines.content.outcome import Step

Office = Any
SECONDS = 4
GRACE = 10
MEMORY_MB = 768
MEMORY_GROWTH_MB = 300
NEIGHBOURS = 20
STEPS: tuple[Step, ...] = ("thumbnail", "text")

STOPPED = "failed The reader (took longer than|needed more than)"
IN_PART = f"ok|empty .*, as far as it was read|{STOPPED}"
ENTITIES = "failed .*entities"
TOO_MUCH = f"ok|{STOPPED}|failed The document takes more time or room"
NO_WORDS = "empty No text in this PDF"


@dataclass(frozen=True)
class Hostile:
    """A file, and how the rows of its preview and its text begin: the state, and the reason where there is one."""

    make: Callable[[], bytes]
    preview: str
    text: str


def _laughing(make: Callable[..., bytes]) -> Callable[[], bytes]:
    return partial(make, "&e9;", head=f"<!DOCTYPE x {packages.LAUGHS}>")


HOSTILE = {
    "deflate.pdf": Hostile(deflate_bomb, STOPPED, STOPPED),
    "laughs.pdf": Hostile(laughing_forms, STOPPED, STOPPED),
    "self.pdf": Hostile(self_drawing_form, "ok", NO_WORDS),  # MuPDF sees through this one
    "14400.pdf": Hostile(partial(packages.huge_page, 14_400), "ok", NO_WORDS),
    "35000.pdf": Hostile(partial(packages.huge_page, 35_000), "ok", NO_WORDS),
    "1e30.pdf": Hostile(partial(packages.huge_page, 1e30), "ok", NO_WORDS),
    "objects.pdf": Hostile(packages.deep_objects, "ok", NO_WORDS),
    "pages.pdf": Hostile(packages.deep_pages, "ok", NO_WORDS),
    "endless.pdf": Hostile(packages.endless_pages, "ok", NO_WORDS),
    "15k.png": Hostile(
        partial(huge_png, 15_000, "RGBA"), f"failed The reader needed more than {MEMORY_MB} MiB", STOPPED
    ),
    "30k.png": Hostile(
        partial(huge_png, 30_000, "1"), "failed The picture has more than 400 megapixels", "failed The pic"
    ),
    "lie.jpg": Hostile(lying_jpeg, "failed The picture has more than 400 megapixels", "failed The picture has more"),
    "42.zip": Hostile(packages.nested_zip, "ok", "ok"),
    "deep.zip": Hostile(packages.zip_in_zip, "ok", "ok"),
    "tricks.tar": Hostile(packages.tricky_tar, "ok", "ok"),
    **{
        f"zeros.{kind}": Hostile(partial(packages.packed_zeros, pack), "ok", "ok")
        for kind, pack in packages.PACKERS.items()
    },
    "bomb.docx": Hostile(packages.word_bomb, "ok", TOO_MUCH),
    "bomb.xlsx": Hostile(packages.workbook_bomb, "ok", TOO_MUCH),
    "laughs.docx": Hostile(_laughing(packages.word), ENTITIES, ENTITIES),
    "laughs.odt": Hostile(_laughing(packages.open_text), ENTITIES, ENTITIES),
    "laughs.x83": Hostile(_laughing(packages.bill), ENTITIES, ENTITIES),
    "laughs.svg": Hostile(_laughing(packages.svg), "ok", "empty The SVG picture has no text"),  # read without them
    "laughs.xml": Hostile(_laughing(packages.xml), "ok", "empty The XML has no text"),
    "uses.svg": Hostile(packages.svg_laughs, STOPPED, "empty The SVG picture has no text"),
    "deep.docx": Hostile(packages.deep_word, "failed The Office file is damaged", "failed The Office file is damaged"),
    "deep.odt": Hostile(
        partial(packages.open_text, packages.deep_xml("text:span")), "ok|failed The Office", "ok|failed"
    ),
    "deep.svg": Hostile(partial(packages.svg, packages.deep_xml("g")), "failed The SVG picture is damaged", "ok"),
    "deep.x83": Hostile(partial(packages.bill, packages.deep_xml()), "failed The GAEB file is not", "failed The GAEB"),
    "deep.xml": Hostile(partial(packages.xml, packages.deep_xml()), "ok", IN_PART),
    "deep.html": Hostile(packages.deep_page, "empty The page has no text, as far as it was read", IN_PART),
    "deep.rtf": Hostile(packages.deep_rich_text, TOO_MUCH, TOO_MUCH),
    "mails.eml": Hostile(packages.mail_in_mail, "ok", "ok"),
    "parts.eml": Hostile(packages.multipart_in_multipart, "ok", "ok"),
    "blocks.dxf": Hostile(packages.laughing_blocks, TOO_MUCH, TOO_MUCH),
}

MISBEHAVING = {
    "misbehave fork_in_c": "ok -1",
    "misbehave execute_in_c:/bin/true": "ok -1",
    "misbehave socket_in_c": "ok -1",
    "misbehave open_in_c:/etc/passwd": "ok refused",
    "misbehave allocate": f"failed The reader needed more than {MEMORY_MB} MiB",
    "misbehave spin": "failed The reader took longer than",
    "misbehave segfault": r"failed The reader crashed \(signal SIGSEGV\)",
}
"""What a reader does whom its text took over, and how the row of that text begins: what came of it."""


def healthy_pdf(number: int) -> bytes:
    document = pymupdf.open()
    document.new_page().insert_text((72, 72), f"Plan {number}")
    return bytes(document.tobytes())


@pytest.fixture
def without_programs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """LibreOffice has its own minutes for each file; the tests of programs say what becomes of one that takes them."""
    monkeypatch.setattr(programs, "_find", lambda _key, _configured: None)
    families.tool_version.cache_clear()
    yield
    families.tool_version.cache_clear()


def limited(office: Office) -> Any:
    return office.settings.model_copy(update={"content_seconds": SECONDS, "content_memory_mb": MEMORY_MB})


def run(office: Office, step: Step) -> StepReport:
    settings = limited(office)
    with ObjectStore(settings) as objects, Workers(settings, perform=misbehave_as_the_file_says) as workers:
        return Steps(settings, objects, workers).run(step)


def forget_memory_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def memory_mb(what: str) -> int:
    """VmRSS is what this process has now, VmHWM the most that it had."""
    [line] = [each for each in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if what in each]
    return int(line.split()[1]) >> 10


def assert_row_begins(office: Office, content_hash: str, step: Step, wanted: str, *, seconds: float = SECONDS) -> None:
    row = office.result(content_hash, step)
    assert re.match(wanted, f"{row['state']} {row['reason'] or ''}"), (row["state"], row["reason"])
    assert row["state"] == "ok" or row["reason"]
    # The others that have the same worker may have been at it first.
    assert row["took_ms"] < (seconds + GRACE) * READING_THREADS_PER_WORKER * 1000
    assert row["attempts"] <= MAX_ATTEMPTS


@pytest.mark.timeout(600)
def test_hostile_files_end_as_rows_and_their_neighbours_succeed(
    office: Office, without_programs: None, subtests: pytest.Subtests
) -> None:
    hostile = {name: office.add(name, each.make()) for name, each in HOSTILE.items()}
    healthy = [office.add(f"{number}.pdf", healthy_pdf(number)) for number in range(NEIGHBOURS)]
    for step in STEPS:
        before = memory_mb("VmRSS")
        forget_memory_peak()
        report = run(office, step)
        assert memory_mb("VmHWM") - before < MEMORY_GROWTH_MB
        assert {office.result(content_hash, step)["state"] for content_hash in healthy} == {"ok"}
        assert report.total.ok + report.total.failed + report.total.empty == len(hostile) + len(healthy)
        for name, each in HOSTILE.items():
            with subtests.test(name, step=step):
                wanted = each.preview if step == "thumbnail" else each.text
                assert_row_begins(office, hostile[name], step, wanted)


@pytest.mark.skipif(not (landlock_version() and is_known()), reason="this kernel cannot refuse a process everything")
@pytest.mark.timeout(300)
def test_a_reader_that_was_taken_over_ends_as_a_row_that_tells_what_it_got(
    office: Office, subtests: pytest.Subtests
) -> None:
    hostile = {what: office.add(f"{number}.txt", what.encode()) for number, what in enumerate(MISBEHAVING)}
    letters = [f"Sehr geehrte Damen {number}" for number in range(NEIGHBOURS)]
    healthy = [office.add(f"{letter}.txt", letter.encode()) for letter in letters]
    run(office, "text")
    assert [office.text(content_hash) for content_hash in healthy] == letters
    for what, wanted in MISBEHAVING.items():
        with subtests.test(what):
            state = office.result(hostile[what], "text")["state"]
            if state == "ok":
                assert f"ok {office.text(hostile[what])}" == wanted
            else:
                assert_row_begins(office, hostile[what], "text", wanted)
