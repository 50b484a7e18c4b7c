"""Hostile files: each ends as a row with a reason, and costs its neighbours nothing."""

from __future__ import annotations

from typing import Any

import pymupdf
import pytest
from hostile_files import deflate_bomb, huge_png, laughing_forms, lying_jpeg, self_drawing_form

from ibhelm_pipelines.content.steps import run_step

Office = Any
SECONDS = 8


def healthy_pdf(number: int) -> bytes:
    document = pymupdf.open()
    document.new_page().insert_text((72, 72), f"Plan {number}")
    return bytes(document.tobytes())


@pytest.mark.timeout(600)
def test_bombs_fail_with_a_reason_and_their_neighbours_succeed(office: Office) -> None:
    settings = office.settings.model_copy(update={"content_seconds": SECONDS, "content_memory_mb": 768})
    bombs = {
        office.add("deflate.pdf", deflate_bomb()): "The reader",
        office.add("laughs.pdf", laughing_forms()): "The reader",
        office.add("15k.png", huge_png(15_000, "RGBA")): "The reader needed more than 768 MiB",
        office.add("30k.png", huge_png(30_000, "1")): "The picture has more than 400 megapixels",
        office.add("lie.jpg", lying_jpeg()): "The picture has more than 400 megapixels",
    }
    healthy = [office.add(f"{number}.pdf", healthy_pdf(number)) for number in range(20)]
    healthy.append(office.add("self.pdf", self_drawing_form()))  # MuPDF sees through this one

    report = run_step("thumbnail", settings)

    for content_hash, reason in bombs.items():
        row = office.result(content_hash, "thumbnail")
        assert row["state"] == "failed"
        assert row["reason"].startswith(reason)
    assert {office.result(content_hash, "thumbnail")["state"] for content_hash in healthy} == {"ok"}
    assert (report.total.ok, report.total.failed) == (len(healthy), len(bombs))
    assert sum(report.reasons.values()) == len(bombs)
