"""How well the search finds: judged queries, what each lane found for them, and how good that is.

The judgements are told by who knows the documents (`search_judged/`); nothing of them comes out of the search, and they
share no code with it. Grades: 2 is what was asked for, 1 is near it. Half of the queries may be looked at while the
ranking is tuned, the other half checks that it was not tuned to the first.

Of which office the documents are, and how judgements name them, an `Office` says: the demo office (`search_office`),
the corpus of real files (`search_corpus`).
"""

from __future__ import annotations

import re
import statistics
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import search_measures
from kept_vectors import kept_vectors

from ibhelm_pipelines.search import chunking
from ibhelm_pipelines.search.documents import index_documents
from ibhelm_pipelines.search.embedding import embed
from ibhelm_pipelines.search.finding import open_finder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from ibhelm_pipelines.search.results import Lane
    from ibhelm_pipelines.settings import Settings

LANES: dict[str, tuple[Lane, ...] | None] = {"lexical": ("words", "names"), "vector": ("vectors",), "hybrid": None}
K_NDCG, K_RECALL = 10, 20
_ASKED = 2

Half = Literal["tune", "check"]


@dataclass(frozen=True, kw_only=True)
class Office:
    """What is searched, and by which names its judgements speak of it.

    Attributes:
        queries: lines of kind, query and judgements.
        make_nas: makes its NAS below a folder; returns its root.
        read: reads what these settings name into their database.
        keys: by which name each thing in the database is judged.
        meant: says of a judgement without its grade which names it means.
        most_parts: of a text have a vector; None: as many as the product gives it.
    """

    queries: Path
    make_nas: Callable[[Path], Path]
    read: Callable[[Settings], None]
    keys: Callable[[Settings], dict[tuple[str, int], str]]
    meant: Callable[[Settings], Callable[[str], set[str]]]
    most_parts: int | None = None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A query, and what is relevant for it by the names of its office, with grades."""

    kind: str
    text: str
    grades: Mapping[str, int]

    @property
    def half(self) -> Half:
        return "tune" if zlib.crc32(self.text.encode()) % 2 else "check"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a lane found for a query, by the same names; what nobody judges has its title."""

    judged: Judged
    ranked: tuple[str, ...]

    @property
    def ndcg(self) -> float:
        return search_measures.ndcg(self.ranked, self.judged.grades, K_NDCG)

    @property
    def recall(self) -> float:
        return search_measures.recall(self.ranked, self.judged.grades, K_RECALL)


Answers = dict[str, list[Answer]]
"""By lane."""


def judged_queries(office: Office, settings: Settings) -> list[Judged]:
    """Return all queries.

    Raises:
        ValueError: one asks for what there is not.
    """
    meant = office.meant(settings)
    queries = []
    for line in office.queries.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            kind, text, judgements = line.split("\t")
            queries.append(Judged(kind=kind, text=text, grades=_grades(judgements, meant)))
    return queries


def _grades(judgements: str, meant: Callable[[str], set[str]]) -> dict[str, int]:
    grades: dict[str, int] = {}
    for judgement in judgements.split(" "):
        match = re.fullmatch(r"(.*?)(?::([12]))?", judgement)
        assert match is not None
        names = meant(match[1])
        if not names:
            raise ValueError(f"{judgement} is nothing that the office has")
        grades |= dict.fromkeys(names - grades.keys(), int(match[2] or _ASKED))
    return grades


def index(office: Office, settings: Settings, *, everything: bool = False) -> None:
    """Make the documents and the vectors that are missing, or all documents."""
    index_documents(settings, everything=everything)
    with kept_vectors(), _parts(office.most_parts):
        embed(settings)


@contextmanager
def _parts(most: int | None) -> Iterator[None]:
    product = chunking.MOST_CHUNKS
    chunking.MOST_CHUNKS = most or product
    try:
        yield
    finally:
        chunking.MOST_CHUNKS = product


def measure(
    office: Office,
    settings: Settings,
    queries: Iterable[Judged],
    *,
    lanes: Iterable[str] = LANES,
    progress: Callable[[str], None] = print,
) -> Answers:
    """Ask all queries in each of the lanes."""
    names = office.keys(settings)
    answers: Answers = {}
    with open_finder(settings) as finder:
        for lane in lanes:
            answers[lane] = []
            for judged in queries:
                hits = finder.search(judged.text, limit=K_RECALL, lanes=LANES[lane], facets=False).hits
                ranked = [names.get((hit.kind, hit.item_id), f"[{hit.kind}: {hit.title}]") for hit in hits]
                answers[lane].append(Answer(judged=judged, ranked=tuple(dict.fromkeys(ranked))))
            progress(f"{lane}: {average(answers[lane], 'ndcg'):.3f}")
    return answers


def average(answers: Iterable[Answer], measure: Literal["ndcg", "recall"]) -> float:
    """Return the mean over queries."""
    return statistics.fmean(getattr(answer, measure) for answer in answers)


def of_half(answers: Iterable[Answer], half: Half) -> list[Answer]:
    """Return the answers to one half of the queries."""
    return [answer for answer in answers if answer.judged.half == half]


def of_kind(answers: Iterable[Answer], kind: str) -> list[Answer]:
    """Return the answers to one kind of query."""
    return [answer for answer in answers if answer.judged.kind == kind]


def table(answers: Answers) -> str:
    """Return all of it as a table in Markdown."""
    anything = next(iter(answers.values()))
    groups: dict[str, Callable[[list[Answer]], list[Answer]]] = {
        kind: lambda each, kind=kind: of_kind(each, kind)  # type: ignore[misc]
        for kind in dict.fromkeys(answer.judged.kind for answer in anything)
    }
    groups |= {
        "**half for tuning**": lambda each: of_half(each, "tune"),
        "**half for checking**": lambda each: of_half(each, "check"),
        "**all**": list,
    }
    lines = [_row("queries", "n", *(f"{measure} {lane}" for measure in ("nDCG@10", "recall@20") for lane in answers))]
    lines.append(_row("---", *["---:"] * (1 + 2 * len(answers))))
    for name, choose in groups.items():
        if chosen := choose(anything):
            lines.append(_row(name, str(len(chosen)), *_cells(answers, choose)))
    return "\n".join(lines)


def _cells(answers: Answers, choose: Callable[[list[Answer]], list[Answer]]) -> list[str]:
    measures: tuple[Literal["ndcg"], Literal["recall"]] = ("ndcg", "recall")
    return [f"{average(choose(each), measure):.3f}" for measure in measures for each in answers.values()]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def worst(answers: Iterable[Answer], count: int) -> str:
    """Return the worst answers: what was asked, what should have come, and what came."""
    chosen = sorted(answers, key=lambda answer: answer.ndcg)[:count]
    return "\n".join(
        f"{answer.ndcg:.2f} {answer.judged.kind}: {answer.judged.text}\n"
        f"     should: {dict(answer.judged.grades)}\n     came:   {', '.join(answer.ranked[:5])}"
        for answer in chosen
    )
