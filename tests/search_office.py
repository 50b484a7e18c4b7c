"""The office in which the search is measured: the generated one, and in it documents that people wrote for this.

What is relevant is told by names that neither the database nor the search gave: the `id` of a written document, the
path of a generated file, which judgements mean by what the generator knows (`@project=2302;kind=Rechnung`). Copies of a
file are the same thing.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import tomllib
import unicodedata
from email.utils import parseaddr
from fnmatch import fnmatchcase
from html import escape
from pathlib import Path, PurePosixPath
from random import Random
from typing import TYPE_CHECKING, Any

import tables
from filed_office import FiledOffice, Size, Vendors, generate
from search_quality import Office

from ibhelm_pipelines.demo.missive import actions as missive_actions
from ibhelm_pipelines.demo.missive.writer import Writer, firm
from ibhelm_pipelines.demo.model import make_projects
from ibhelm_pipelines.demo.office import TRUTH
from ibhelm_pipelines.demo.sheet import Sheet
from ibhelm_pipelines.demo.teamwork import actions as teamwork_actions
from ibhelm_pipelines.demo.teamwork.seed import comment
from ibhelm_pipelines.demo.vocabulary import FIRM_CONTACTS, OFFICE_NAME
from ibhelm_pipelines.register.people import merge_people

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.demo.model import Project
    from ibhelm_pipelines.settings import Settings

JUDGED = Path(__file__).with_name("search_judged")
WRITTEN, QUERIES = JUDGED / "documents.toml", JUDGED / "queries.tsv"
SIZE = Size(files=130, projects=12, tasks=60, conversations=21)

Written = dict[str, Any]


def written() -> dict[str, list[Written]]:
    """Return the documents that people wrote, by kind."""
    return tomllib.loads(WRITTEN.read_text(encoding="utf-8"))


def make_nas(folder: Path) -> Path:
    """Make the NAS with the written files in it; return its root."""
    root = generate(folder, SIZE)
    projects = _projects()
    for each in written()["file"]:
        path = root / projects[each["project"]].folder / each["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_bytes(each, _day(each, projects[each["project"]])))
        _touch(path, _day(each, projects[each["project"]]))
    return root


def make_vendors() -> Vendors:
    """Make both simulators with the written mails, tasks and comments in them."""
    vendors = Vendors(SIZE)
    documents = written()
    tasks = {each["id"]: _add_task(vendors, each) for each in documents["task"]}
    for each in documents["comment"]:
        _add_comment(vendors, each, tasks[each["task"]])
    for each in documents["mail"]:
        _add_mail(vendors, each)
    return vendors


def file_office(settings: Settings) -> None:
    """Read the office whose NAS these settings name into their database: its links, its people."""
    vendors = make_vendors()
    vendors.start()
    try:
        FiledOffice(settings, vendors).read_everything()
        merge_people(settings)
    finally:
        vendors.stop()


def truth(root: Path) -> list[dict[str, Any]]:
    """Return what the generator knows about the files that it made; junk is left out."""
    lines = (root.parent / TRUTH).read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if not line["junk"]]


def keys(settings: Settings) -> dict[tuple[str, int], str]:
    """Return by which name each thing in the database is judged; what nobody judges is not in it."""
    url, root = settings.require_database_url(), settings.nas_root
    assert root is not None
    projects, documents = _projects(), written()
    of_files = {line["path"]: line["duplicate_of"] or line["path"] for line in truth(root)}
    of_files |= {f"{projects[each['project']].folder}/{each['path']}": each["id"] for each in documents["file"]}
    of_others = {
        "email": {each["subject"]: each["id"] for each in documents["mail"]},
        "task": {each["name"]: each["id"] for each in documents["task"]},
        "task_comment": {each["text"].strip(): each["id"] for each in documents["comment"]},
    }
    found = {
        ("file", row): of_files[path.decode()] for row, path in tables.ask(url, _FILES) if path.decode() in of_files
    }
    for kind, names in of_others.items():
        found |= {(kind, row): names[text] for row, text in tables.ask(url, _NAMES[kind]) if text in names}
    return found


def meant(settings: Settings) -> Callable[[str], set[str]]:
    """Return what tells the documents that a judgement means."""
    assert settings.nas_root is not None
    known = {each["id"] for kind in written().values() for each in kind}
    files = truth(settings.nas_root)
    return lambda judgement: _files_meant(judgement[1:], files) if judgement.startswith("@") else {judgement} & known


def _files_meant(facts: str, files: list[dict[str, Any]]) -> set[str]:
    """The generated files of which these facts are true; `name` has wildcards."""
    wanted = dict(fact.split("=", 1) for fact in facts.split(";"))
    return {line["duplicate_of"] or line["path"] for line in files if _is_meant(line, wanted)}


def _is_meant(line: dict[str, Any], wanted: dict[str, str]) -> bool:
    told = {"project": line["project"], "kind": line["kind"], "group": str(line["cost_group"])}
    name = composed(PurePosixPath(line["path"]).name)
    return fnmatchcase(name, wanted.get("name", "*")) and all(
        told[fact] == value for fact, value in wanted.items() if fact != "name"
    )


_FILES = "select id, raw_path from files where deleted_at is null"
_NAMES = {
    "email": "select id, subject from emails where deleted_at is null",
    "task": "select id, name from tasks where deleted_at is null",
    "task_comment": "select id, body from task_comments where deleted_at is null",
}


def _projects() -> dict[str, Project]:
    return {project.number: project for project in make_projects(SIZE.projects, Random(f"{SIZE.seed} projects"))}


def _day(each: Written, project: Project) -> dt.date:
    """When a file was written: its name says it, or it was in the second year of the project."""
    dated = re.search(r"\d{4}-\d\d-\d\d", each["path"])
    return dt.date.fromisoformat(dated[0]) if dated else project.start + dt.timedelta(days=200)


def _touch(path: Path, day: dt.date) -> None:
    seconds = dt.datetime.combine(day, dt.time(11), dt.UTC).timestamp()
    os.utime(path, (seconds, seconds))


def _bytes(each: Written, day: dt.date) -> bytes:
    lines = each["text"].strip().splitlines()
    match each["path"].rpartition(".")[2]:
        case "pdf":
            sheet = Sheet(sender="", running_title=lines[0])
            sheet.heading(lines[0])
            for line in lines[1:]:
                sheet.paragraph(line)
            return sheet.finish(title=lines[0], author=OFFICE_NAME, day=day)
        case _:
            return "\n".join(lines).encode()


def _add_task(vendors: Vendors, each: Written) -> dict[str, Any]:
    office = vendors.teamwork.office
    project = next(row for row in office.live("projects") if row["name"].startswith(each["project"]))
    tasklist = next(row for row in office.live("task_lists") if row["projectId"] == project["id"])
    at = f"{each['at']}T09:00:00Z"
    values = {"description": f"<p>{escape(each['text'])}</p>", "updatedAt": at}
    return teamwork_actions.new_task(
        office, name=each["name"], tasklist_id=tasklist["id"], by=project["ownerId"], at=at, values=values
    )


def _add_comment(vendors: Vendors, each: Written, task: dict[str, Any]) -> None:
    office = vendors.teamwork.office
    by = next(row for row in office.live("people") if row["lastName"] == each["by"])
    row = comment(office, "task", task, each["text"].strip(), by=by["id"], posted=f"{each['at']}T14:00:00Z")
    office.add("comments", row)


def _add_mail(vendors: Vendors, each: Written) -> None:
    office = vendors.missive.office
    team = next(row for row in office.live("teams") if office.me in row["active_members"])
    at = int(dt.datetime.combine(each["at"], dt.time(10, 30), dt.UTC).timestamp())
    conversation = missive_actions.new_conversation(
        office, users=team["active_members"], at=at, team=team["id"], organization=team["organization"]
    )
    sender, incoming = _sender(vendors, each["from"])
    body = "".join(f"<p>{escape(line)}</p>" for line in each["text"].strip().splitlines())
    row = Writer(office, Random(each["id"])).mail(conversation, at=at, incoming=incoming, subject=each["subject"])
    spoken = {"from_field": sender, "body": body, "preview": each["text"].strip()[:140], "attachments": []}
    missive_actions.add_message(office, {**row, **spoken, "cc_fields": [], "reply_to_fields": []}, imported=True)


def _sender(vendors: Vendors, who: str) -> tuple[dict[str, Any], bool]:
    """Who writes, and whether that is somebody outside: an address, a contact of a firm, or a colleague."""
    name, address = parseaddr(who)
    if "@" in address:
        return {"name": name, "address": address}, True
    if who in FIRM_CONTACTS:
        contact = firm(FIRM_CONTACTS.index(who))
        return {"name": contact.name, "address": contact.address}, True
    user = next(row for row in vendors.missive.office.live("users") if row["name"].endswith(who))
    return {"name": user["name"], "address": user["email"]}, False


def composed(text: str) -> str:
    """Return a text as keyboards write it; names on the NAS are partly as Macs decompose them."""
    return unicodedata.normalize("NFC", text)


DEMO = Office(queries=QUERIES, make_nas=make_nas, read=file_office, keys=keys, meant=meant)
