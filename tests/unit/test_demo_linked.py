"""The demo's closing table of links: what is told and not linked, and what is linked and not true, is counted."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from ibhelm_pipelines.demo.linked import Claims, print_linked
from ibhelm_pipelines.demo.model import Place
from ibhelm_pipelines.demo.register_truth import About, Meaning

if TYPE_CHECKING:
    from pathlib import Path

PROJECTS = {"2301": 11, "2302": 12}
FILE = {"path": "projekte/2301-Kita/Plan.pdf", "project": "2301", "cost_group": 430, "mentions": [410], "junk": False,
        "place": {"building": "Haus A", "level": "EG", "room": None},
        "told_by": {"cost_group": "name", "building": "folder", "level": None}}  # fmt: skip
MAIL = About(
    told_by={
        "label": Meaning(projects=frozenset({"2301", "2302"})),
        "subject": Meaning(places=frozenset({Place(building="Haus A")})),
    },
    untold=Meaning(cost_groups=frozenset({420})),
)


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    claims = Claims()
    (tmp_path / "truth.jsonl").write_text(json.dumps(FILE) + "\n", encoding="utf-8")
    claims.add_files(tmp_path / "truth.jsonl", PROJECTS)
    claims.add_items("conversation", {"c": MAIL}, PROJECTS)
    return claims


def table(claims: Claims, *links: tuple[str, str, str, str]) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=120)
    print_linked(console, [dict(zip(("item", "target", "key", "value"), link, strict=True)) for link in links], claims)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # it is a StringIO
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]


def test_what_is_told_and_not_linked_is_missing(claims: Claims):
    files, found, _, *_, conversations, of_conversations, _ = table(
        claims, ("conversation", "project", "c", "11"), ("file", "cost group", FILE["path"], "434")
    )
    assert files == ["files linked", "0", "1", "0"]
    assert found == ["found of what is told", "0 of 1", "1 of 1", "0 of 1"], "434 is found where one looks for 430"
    assert conversations == ["conversations linked", "1", "0", "0"]
    assert of_conversations == ["found of what is told", "1 of 2", "", "0 of 1"]


def test_what_is_linked_and_not_true_is_wrong_and_what_is_less_than_the_truth_or_told_nowhere_is_not(claims: Claims):
    _, _, files, *_, conversations = table(
        claims,
        ("file", "project", FILE["path"], "12"),
        ("file", "cost group", FILE["path"], "410"),
        ("file", "cost group", FILE["path"], "440"),
        ("file", "place", FILE["path"], "Haus A"),
        ("file", "place", FILE["path"], "Haus AB"),
        ("file", "project", "of nobody's truth", "12"),
        ("conversation", "project", "c", "12"),
        ("conversation", "place", "c", "Haus B"),
    )
    assert files == ["wrong of what is linked", "1 of 1", "1 of 2", "1 of 2"]
    assert conversations == ["wrong of what is linked", "0 of 1", "", "1 of 1"]
