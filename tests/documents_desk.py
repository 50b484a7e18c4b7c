"""An office with one thing of every kind that can be found, and what is kept of it to be searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from register_desk import Desk

from ibhelm_pipelines.search.analysis import tokens
from ibhelm_pipelines.search.documents import DocumentsReport, index_documents, index_some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.search.results import DocumentKind

KITA = "projekte/2301-Kita Lindenhof-MK"

Item = tuple[str, int]

_ALL = """
    select to_jsonb(d) - '{id, indexed_at}'::text[] || jsonb_build_object('words', d.words::text)
    from search.documents d order by kind, item_id
"""
_RECOUNTED = {
    "lexemes": "select lexeme, count(*) from search.documents d, unnest(d.words) group by lexeme",
    "vocabulary": "select word, count(*) from search.documents d, unnest(d.vocabulary) as word group by word",
}
_COUNTED = {
    "lexemes": "select lexeme, documents from search.lexemes",
    "vocabulary": "select word, documents from search.vocabulary",
}


@dataclass
class Things:
    """Ids of what is in the office; `kita` is its project, `copy` a file with the same content as `file`."""

    kita: int
    file: int
    copy: int
    other_file: int
    conversation: int
    email: int
    untitled_email: int
    email_comment: int
    task: int
    other_task: int
    task_comment: int


class DocumentsDesk(Desk):
    """A desk whose documents are looked at."""

    def index(self, *, everything: bool = False) -> DocumentsReport:
        return index_documents(self.settings, everything=everything)

    def index_some(self, kind: DocumentKind, ids: Sequence[int]) -> DocumentsReport:
        return index_some(self.settings, kind, ids)

    def documents(self) -> list[object]:
        """Everything but ids and times."""
        return [row for (row,) in self.run(_ALL)]

    def one(self, kind: str, item: int, column: str) -> object:
        [(value,)] = self.run(
            f"select {column} from search.documents where kind = %s and item_id = %s", kind, item
        )  # fmt: skip
        return value

    def items(self) -> set[Item]:
        return {(str(kind), int(str(item))) for kind, item in self.run("select kind, item_id from search.documents")}

    def found(self, words: str, *, labels: str = "") -> set[Item]:
        """What has all these words, or those of these labels."""
        query = " & ".join(f"{token.lexemes[0]}:{labels}" for token in tokens(words))
        rows = self.run("select kind, item_id from search.documents where words @@ %s::tsquery", query)
        return {(str(kind), int(str(item))) for kind, item in rows}

    def written_by_a_run(self) -> set[Item]:
        """Run, and say which documents were written; nothing else may have been looked at."""
        stamps = "select kind, item_id, indexed_at from search.documents"
        before = set(self.run(stamps))
        report = self.index()
        written = {(str(kind), int(str(item))) for kind, item, _ in set(self.run(stamps)) - before}
        assert report.looked_at.total() == report.changed == len(written)
        return written

    def assert_counts_are_exact(self) -> None:
        for name, counted in _COUNTED.items():
            assert sorted(self.run(counted)) == sorted(self.run(_RECOUNTED[name])), name
        assert self.run("select 1 from search.uncounted") == []

    def assert_counts_are_whole(self) -> None:
        """What is counted is what documents have, and what the next run takes off."""
        for name, counted in _COUNTED.items():
            waiting = f"select unnest({name}), 1 from search.uncounted"
            whole = f"select w, sum(n)::bigint from ({_RECOUNTED[name]} union all {waiting}) as t (w, n) group by w"
            assert sorted(self.run(f"{counted}")) == sorted(self.run(whole)), name

    def fill(self) -> Things:
        """One of each kind, linked, with people."""
        company = self._new("insert into companies (teamwork_id, name) values (9, 'Stadt Musterstadt') returning id")
        kita = self.project("2301 Kita Lindenhof")
        self.run("update projects set company_id = %s where id = %s", company, kita)
        file = self.file(f"{KITA}/KGR 434 Kälte/Plan 7.pdf", text="Die Brandschutzklappe klemmt.")
        copy = self.file("Sonstiges/Kopie 2.pdf")
        self.run("update files set content_hash = (select content_hash from files where id = %s) where id = %s",
                 file, copy)  # fmt: skip
        other_file = self.file("Telefonliste.xlsx", text="Durchwahl 17")
        conversation, email, untitled = self._mails()
        comment = self._new(
            "insert into email_comments (missive_id, body, author_email, author_name, conversation_id)"
            " values ('k1', 'Bitte prüfen', 'eva@buero.de', 'Eva Amsel', %s) returning id", conversation,
        )  # fmt: skip
        task, other_task = self.task(kita, "KGR 434", name="Ventil tauschen"), self.task(kita, name="Abnahme")
        task_comment = self._new(
            "insert into task_comments (teamwork_id, body, task_id) values (77, 'Ist bestellt', %s) returning id", task
        )
        self.run("update tasks set description = 'Wasserzähler im Keller' where id = %s", task)
        self._people()
        self.link()
        return Things(kita, file, copy, other_file, conversation, email, untitled, comment, task, other_task,
                      task_comment)  # fmt: skip

    def _mails(self) -> tuple[int, int, int]:
        conversation = self.conversation(labels=["2301 Kita Lindenhof"])
        self.run("update conversations set subject = 'Wärmepumpe' where id = %s", conversation)
        statement = (
            "insert into emails (missive_id, subject, body_text, from_address, from_name, conversation_id,"
            " delivered_at) values (%s, %s, %s, 'otto@firma.de', 'Otto Kranz', %s, '2026-03-01 08:00+00') returning id"
        )
        email = self._new(statement, "m1", "Angebot Kältemaschine", "Anbei unser Angebot.", conversation)
        untitled = self._new(statement, "m2", " ", "Danke!", conversation)
        self.run("insert into email_bodies (email_id, quoted_text, signature) values (%s, %s, %s)",
                 email, "Am Montag schrieb Eva: Pumpensumpf", "Otto Kranz, Vertrieb")  # fmt: skip
        self.run("insert into email_recipients (email_id, kind, ordinal, address, name)"
                 " values (%s, 'to', 0, 'eva@buero.de', 'Eva Amsel')", email)  # fmt: skip
        self.run("insert into email_attachments (missive_id, name, missive_email_id, email_id)"
                 " values ('a1', 'Datenblatt Verdichter.pdf', 'm1', %s)", email)  # fmt: skip
        return conversation, email, untitled

    def _people(self) -> None:
        for name, address in (("Otto Kranz", "otto@firma.de"), ("Eva Amsel", "eva@buero.de")):
            person = self._new("insert into persons (name, name_source) values (%s, 'rule') returning id", name)
            self.run("insert into person_identities (label, person_id, kind, key) values (%s, %s, 'address', %s)",
                     name, person, address)  # fmt: skip

    def person(self, name: str) -> int:
        return int(str(self.run("select id from persons where name = %s", name)[0][0]))
