"""The corpus of real files as an office in which the search is measured: what the pipeline makes of them as they stand.

Of the 850 files are taken all that are judged and, of the others, two of sixteen, by the last digit of their SHA-256:
some 220. With `MOST_PARTS` that bounds what a fresh machine spends on vectors, also when more kinds of files give text.
The hostile files are no documents; what they do to the pipeline is tested elsewhere.

Judgements name files by the digits of their content and regard the texts of all of them, of Office files and mails too:
when the pipeline reads more of that, results get better, and no judgement becomes wrong.
"""

from __future__ import annotations

import csv
import os
import shutil
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import tables
from search_quality import Office

from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.demo.office import MARKER
from ibhelm_pipelines.nas.scan import scan

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.settings import Settings

JUDGED = Path(__file__).with_name("search_judged")
QUERIES, COPIES = JUDGED / "corpus.tsv", JUDGED / "corpus_copies.tsv"
SAMPLE = "01"
"""Last digits of the SHA-256 of the files that nobody judges and that stand among the others."""

MOST_PARTS = 4
"""Of a text have a vector. Of the eight long ones (20 to 118 parts) that is the beginning."""

HOSTILE = "hostile"
ID_DIGITS = 8


def corpus_office(corpus: Path) -> Office:
    """Return the office that this corpus is."""
    return Office(
        queries=QUERIES,
        make_nas=partial(make_nas, corpus),
        read=read,
        keys=keys,
        meant=lambda _: meant(corpus),
        most_parts=MOST_PARTS,
    )


def make_nas(corpus: Path, folder: Path) -> Path:
    """Make a NAS of the files that are taken; return its root."""
    root = folder / "nas"
    for name in taken(corpus):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(corpus / name, root / name)
    (root / MARKER).touch()
    return root


def taken(corpus: Path) -> list[str]:
    """Return the paths of the files that are in the office."""
    judged = {_id(judgement) for line in _lines(QUERIES) for judgement in line[2].split(" ")}
    judged |= {_id(name) for one, others in _lines(COPIES) for name in [one, *others.split(" ")]}
    return [
        row["file"]
        for row in _manifest(corpus)
        if _id(PurePosixPath(row["file"]).name) in judged
        or (row["sha256"][-1] in SAMPLE and not row["file"].startswith(f"{HOSTILE}/"))
    ]


def read(settings: Settings) -> None:
    """Scan, and read the texts."""
    scan(settings)
    run_step("text", settings)


def keys(settings: Settings) -> dict[tuple[str, int], str]:
    """Return the name of each file in the database."""
    counts_as = _counts_as()
    rows = tables.ask(settings.require_database_url(), "select id, raw_path from files where deleted_at is null")
    names = ((row, PurePosixPath(os.fsdecode(path)).name) for row, path in rows)
    return {("file", row): counts_as.get(_id(name), name) for row, name in names}


def meant(corpus: Path) -> Callable[[str], set[str]]:
    """Return what tells the file that a judgement names; the digits alone say which it is."""
    names = {_id(name): name for name in (PurePosixPath(row["file"]).name for row in _manifest(corpus))}
    counts_as = _counts_as()

    def file_meant(judgement: str) -> set[str]:
        name = names.get(_id(judgement))
        return {counts_as.get(_id(name), name)} if name is not None and name.startswith(judgement) else set()

    return file_meant


def _counts_as() -> dict[str, str]:
    return {_id(name): one for one, others in _lines(COPIES) for name in others.split(" ")}


def _manifest(corpus: Path) -> list[dict[str, str]]:
    with (corpus / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _lines(path: Path) -> list[list[str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def _id(name: str) -> str:
    return name[:ID_DIGITS]
