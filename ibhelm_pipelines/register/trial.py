"""What a rule changes, before it does: everything is decided twice, without it and with it, and nothing is written.

A rule that is switched on is compared with how it would be without it. What persons decided wins over either.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.register import locations
from ibhelm_pipelines.register.judging import Judge, batches
from ibhelm_pipelines.register.projects import read_directory
from ibhelm_pipelines.register.rulebook import enabled, make_book, read_rules
from ibhelm_pipelines.register.writing import BRIDGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.register.deciding import Decision, Item
    from ibhelm_pipelines.register.items import Directory
    from ibhelm_pipelines.register.rulebook import Rule
    from ibhelm_pipelines.register.writing import ItemKind
    from ibhelm_pipelines.settings import Settings

SAMPLES = 20
"""Changes of each kind that are shown one by one."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A link that comes or goes.

    Attributes:
        item: path of a file, name of a task, subject of a conversation.
        target: what it is linked with.
    """

    kind: ItemKind
    item: str
    target: str


@dataclass(kw_only=True)
class Trial:
    """What a rule changes.

    Attributes:
        seen: items that were looked at, by kind.
        added, removed: how many links, by kind of item.
        samples_added, samples_removed: the first of them.
    """

    rule: str
    is_enabled: bool
    seen: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    samples_added: list[Change] = field(default_factory=list)
    samples_removed: list[Change] = field(default_factory=list)


def try_rule(settings: Settings, name: str, *, progress: Callable[[str], None] = lambda _: None) -> Trial:
    """Return what a rule of public.link_rules changes, switched on or not.

    Raises:
        ConfigurationError: there is no rule of this name, or one cannot be used.
        DatabaseUnavailableError: Postgres does not answer.
    """
    url = settings.require_database_url()
    with translated_errors(), connect(url, application="rules", autocommit=True) as connection:
        rules = read_rules(connection)
        rule = _named(rules, name)
        others = [each for each in enabled(rules) if each.id != rule.id]
        trial = Trial(rule=rule.name, is_enabled=rule.is_enabled)
        directory = read_directory(connection)
        without, with_it = (_judge(connection, directory, each) for each in (others, [*others, rule]))
        names = _Names(connection)
        for kind in BRIDGES:
            for ids in batches(connection, kind):
                before = {item.id: names.of(decision) for item, decision in without.judge(kind, ids)}
                for item, decision in with_it.judge(kind, ids):
                    after = names.of(decision)
                    _compare(trial, kind, item, before.get(item.id, after), after)
                trial.seen[kind] += len(before)
                progress(f"{kind}s compared: {trial.seen[kind]:,}")
    return trial


def _named(rules: Iterable[Rule], name: str) -> Rule:
    rules = list(rules)
    for rule in rules:
        if rule.name == name:
            return rule
    raise ConfigurationError(
        f"No rule is called {name!r}.",
        next_step="`ibhelm rules list` shows all; add it in NocoDB, switched off at first.",
    )


def _judge(connection: Connection, directory: Directory, rules: Iterable[Rule]) -> Judge:
    book = make_book(connection, rules)
    buildings = locations.learn_buildings(connection, directory, book)
    return Judge(connection, book=book, directory=directory, buildings=buildings)


def _compare(trial: Trial, kind: ItemKind, item: Item, before: set[str], after: set[str]) -> None:
    for targets, counts, samples in (
        (after - before, trial.added, trial.samples_added),
        (before - after, trial.removed, trial.samples_removed),
    ):
        counts[kind] += len(targets)
        for target in sorted(targets)[: SAMPLES - len(samples)]:
            samples.append(Change(kind=kind, item=_described(item), target=target))


def _described(item: Item) -> str:
    texts = item.texts
    if "name" in texts:
        name = ".".join((*texts["name"], *texts["extension"]))
        return "/".join((*texts["folder"], name))
    return next(iter(texts["subject"]), "")


class _Names:
    """Names of what items are linked with."""

    def __init__(self, connection: Connection) -> None:
        sql = load_queries("register")
        self._projects: dict[int, str] = dict(connection.execute(sql["projects"]).fetchall())
        self._types: dict[int, str] = dict(connection.execute(sql["document_types"]).fetchall())

    def of(self, decision: Decision) -> set[str]:
        """Return all that an item is linked with, in words."""
        places = {
            f"{self._projects.get(project)}: {' / '.join(filter(None, (place.building, place.level, place.room)))}"
            for project, place in decision.places
        }
        kind = decision.document_type
        types = {self._types[kind.id]} if kind else set()
        projects = {self._projects.get(project, str(project)) for project in decision.projects}
        return projects | {f"KG {number}" for number in decision.cost_groups} | places | types
