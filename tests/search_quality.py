"""How well the search finds: judged queries, what each lane found for them, and how good that is.

The judgements are told by what the generator of the office knows (`@project=2302;kind=Rechnung`) and by who wrote the
other documents (`search_judged/`); nothing of them comes out of the search, and they share no code with it. Grades: 2
is what was asked for, 1 is near it. Half of the queries may be looked at while the ranking is tuned, the other half
checks that it was not tuned to the first.
"""

from __future__ import annotations

import re
import statistics
import zlib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import search_measures
import search_office

from ibhelm_pipelines.search.finding import open_finder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ibhelm_pipelines.search.results import Lane
    from ibhelm_pipelines.settings import Settings

QUERIES = Path(__file__).with_name("search_judged") / "queries.tsv"
LANES: dict[str, tuple[Lane, ...] | None] = {"lexical": ("words", "names"), "vector": ("vectors",), "hybrid": None}
K_NDCG, K_RECALL = 10, 20
_ASKED = 2

Half = Literal["tune", "check"]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A query, and what is relevant for it by the names of `search_office`, with grades."""

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


def judged_queries(settings: Settings) -> list[Judged]:
    """Return all queries.

    Raises:
        ValueError: one asks for what there is not.
    """
    assert settings.nas_root is not None
    known = {each["id"] for kind in search_office.written().values() for each in kind}
    files = search_office.truth(settings.nas_root)
    queries = []
    for line in QUERIES.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            kind, text, judgements = line.split("\t")
            grades = _grades(judgements, known, files)
            queries.append(Judged(kind=kind, text=text, grades=grades))
    return queries


def _grades(judgements: str, known: set[str], files: list[dict[str, Any]]) -> dict[str, int]:
    grades: dict[str, int] = {}
    for judgement in judgements.split(" "):
        match = re.fullmatch(r"(.*?)(?::([12]))?", judgement)
        assert match is not None
        told, grade = match[1], int(match[2] or _ASKED)
        names = _meant(told[1:], files) if told.startswith("@") else {told} & known
        if not names:
            raise ValueError(f"{judgement} is nothing that the office has")
        grades |= dict.fromkeys(names - grades.keys(), grade)
    return grades


def _meant(facts: str, files: list[dict[str, Any]]) -> set[str]:
    """The generated files of which these facts are true, such as `project=2302;kind=Rechnung`; `name` has wildcards."""
    wanted = dict(fact.split("=", 1) for fact in facts.split(";"))
    return {line["duplicate_of"] or line["path"] for line in files if _is_meant(line, wanted)}


def _is_meant(line: dict[str, Any], wanted: dict[str, str]) -> bool:
    told = {"project": line["project"], "kind": line["kind"], "group": str(line["cost_group"])}
    name = search_office.composed(PurePosixPath(line["path"]).name)
    return fnmatchcase(name, wanted.get("name", "*")) and all(
        told[fact] == value for fact, value in wanted.items() if fact != "name"
    )


def measure(
    settings: Settings,
    queries: Iterable[Judged],
    *,
    lanes: Iterable[str] = LANES,
    progress: Callable[[str], None] = print,
) -> Answers:
    """Ask all queries in each of the lanes."""
    names = search_office.keys(settings)
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
