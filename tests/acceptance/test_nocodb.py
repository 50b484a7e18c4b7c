"""A real NocoDB on the tables of a small office, set up by `ibhelm nocodb-setup`: what people see, may edit and keep.

One NocoDB, one office and one gateway serve all tests of this file, which leave each other alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import databases
import nocodb_desk
import pytest
import web_desk
from browser import open_page
from conftest import PIPELINE, PIPELINE_PASSWORD, TEMPLATE
from filed_office import FiledOffice, Size, Vendors, generate
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.register.linking import link_items
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres

# The first test waits for the whole stack, and perhaps for an installation.
pytestmark = pytest.mark.timeout(1500)

SIZE = Size(files=60, projects=4, tasks=20, conversations=6)
IBHELM = Path(sys.executable).parent / "ibhelm"
PERSONS_VIEW = "Meine Rechnungen"


@dataclass
class Office:
    """The office, NocoDB on it, and how it was set up."""

    filed: FiledOffice
    desk: nocodb_desk.Desk
    owner_url: str
    environment: dict[str, str]
    said: str = ""
    """What the set-up of the empty NocoDB printed."""

    def set_up(self, token: str, url: str | None = None, **changed: str) -> subprocess.CompletedProcess[str]:
        command = [IBHELM, "nocodb-setup", url or self.desk.url, token]
        environment = self.environment | changed
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return nocodb_desk.ask(self.owner_url, query, *values)

    def one(self, query: str, *values: object) -> Any:
        ((value,),) = self.rows(query, *values)
        return value

    def read_everything_again(self) -> None:
        """A re-sync and a backfill."""
        self.filed.read_nas()
        self.filed.read_teamwork(full=True)
        self.compute_links_again()

    def compute_links_again(self) -> None:
        link_items(self.filed.settings, everything=True)


@pytest.fixture(scope="module")
def office(postgres: EmbeddedPostgres, s3: EmbeddedS3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    nocodb_desk.installed()
    name = f"test_{uuid.uuid4().hex}"
    databases.create(postgres, name, template=TEMPLATE)
    vendors = Vendors(SIZE)
    vendors.start()
    try:
        settings = _settings(folder, postgres, s3, name)
        filed = FiledOffice(settings, vendors)
        filed.read_nas()
        with web_desk.running(settings, folder, WEB_PORT=str(settings.web_port)):
            for step in ("store", "thumbnail"):
                run_step(step, settings)
            filed.read_teamwork()
            filed.link()
            with nocodb_desk.running(postgres, folder / "nocodb.log") as url:
                desk = nocodb_desk.Desk(url)
                office = Office(filed, desk, postgres.url(name), _environment(settings, postgres, name))
                done = office.set_up(desk.token)
                assert done.returncode == 0, done.stdout + done.stderr
                office.said = done.stdout
                desk.look_around()
                yield office
    finally:
        vendors.stop()
        databases.drop(postgres, name)


def _settings(folder: Path, postgres: EmbeddedPostgres, s3: EmbeddedS3, name: str) -> Settings:
    bucket = f"test-{uuid.uuid4().hex}"
    EmbeddedS3(folder=s3.folder, bucket=bucket, access_key=s3.access_key, secret_key=s3.secret_key).start()
    nas = generate(folder, SIZE)
    (nas / ".ibhelm-share").write_text("test share\n", encoding="utf-8")
    return Settings(
        _env_file=None,
        nas_root=nas,
        state_dir=folder / "state",
        database_url=postgres.url(name, user=PIPELINE, password=PIPELINE_PASSWORD),
        s3_endpoint=s3.endpoint,
        s3_bucket=bucket,
        content_workers=1,
        web_port=nocodb_desk.free_port(),
        web_secret=SecretStr(web_desk.SECRET),
    )


def _environment(settings: Settings, postgres: EmbeddedPostgres, name: str) -> dict[str, str]:
    password = nocodb_desk.let_in(postgres, "ibhelm_nocodb")
    return os.environ | {
        "IBHELM_STATE_DIR": str(settings.state_dir),
        "IBHELM_DATABASE_URL": settings.require_database_url(),
        "IBHELM_OWNER_DATABASE_URL": postgres.url(name),
        "IBHELM_NOCODB_DATABASE_URL": postgres.url(name, user="ibhelm_nocodb", password=password),
    }


def _a_file(office: Office) -> tuple[int, str]:
    ((number, name),) = office.rows(
        "select id, name from files where deleted_at is null and project_id is not null"
        " and note is null order by random() limit 1"
    )
    return number, name


def test_the_base_has_every_table_and_column_in_german_and_the_views_that_people_need(office: Office) -> None:
    desk = office.desk
    ours = {name for (name,) in office.rows("select relname from pg_class where relnamespace = 'public'::regnamespace"
                                            " and relkind in ('r', 'v')")}  # fmt: skip
    assert set(desk.tables) == ours
    assert desk.table("files")["title"] == "Dateien"
    columns = desk.columns("files")
    assert {"Datei", "Vorschau", "Projekt", "Dokumentart", "Kostengruppen", "Orte", "Geändert", "Notiz"} <= set(columns)
    assert (columns["Vorschau"]["uidt"], columns["Auf dem NAS öffnen"]["uidt"]) == ("Attachment", "URL")
    assert (columns["Kostengruppen"]["colOptions"]["type"], columns["Projekt"]["colOptions"]["type"]) == ("mm", "bt")
    stacks = [option["title"] for option in desk.columns("tasks")["Stand"]["colOptions"]["options"]]
    assert stacks == ["Offen", "Erledigt", "Archiviert", "Gelöscht"]
    assert set(desk.views("files")) >= {"Alle Dateien", "Galerie", "Nach Projekt", "Ohne Projekt"}
    assert set(desk.views("tasks")) >= {"Tafel", "Nach Fälligkeit", "Kalender"}
    for name in ("files_missing_metadata", "project_participants", "duplicates", "problems", "activity"):
        assert desk.views(name), name


def test_no_table_or_column_lacks_a_german_name(office: Office) -> None:
    assert " tables; now changed: " in office.said
    assert "Without a German name" not in office.said


def test_every_view_can_be_opened(office: Office) -> None:
    for name in office.desk.tables:
        for title, view in office.desk.views(name).items():
            path = f"/api/v2/tables/{office.desk.tables[name]}/records?limit=3&viewId={view['id']}"
            assert office.desk.ask("GET", path).ok, (name, title)


def test_lists_show_live_files_with_names_of_what_they_belong_to_and_hide_ids(office: Office) -> None:
    shown = office.desk.records("files", "Alle Dateien")
    live = office.one("select count(*) from files where deleted_at is null")
    assert len(shown) == min(live, 100)
    fields = office.desk.ok("GET", f"/api/v3/meta/views/{office.desk.views('files')['Alle Dateien']['id']}/columns")
    visible = {column for column, stand in fields["fields"].items() if stand["show"]}
    columns = office.desk.columns("files")
    assert {columns[title]["id"] for title in ("Datei", "Vorschau", "Projektname", "Notiz")} <= visible
    assert not {columns[title]["id"] for title in ("Nr.", "Pfad (Bytes)", "Inhalt Nr.")} & visible
    project = office.one(
        "select p.name from files f join projects p on p.id = f.project_id where f.id = %s", shown[0]["Nr."]
    )
    assert shown[0]["Projektname"] == project


def test_the_gallery_shows_previews(office: Office) -> None:
    with open_page() as page:
        office.desk.open_view(page, "files", "Galerie")
        loaded = page.wait_for(
            "[...document.images].filter(i => i.currentSrc.includes('/thumbnails/') && i.naturalWidth > 0).length"
        )
    assert loaded > 0


def test_what_somebody_writes_into_a_cell_survives_a_sync_and_a_backfill(office: Office) -> None:
    desk = office.desk
    number, _ = _a_file(office)
    other = office.one("select t.id from document_types t left join files f on f.id = %s"
                       " where t.id is distinct from f.document_type_id limit 1", number)  # fmt: skip
    task = office.one("select id from tasks where state = 'open' order by id limit 1")
    assert desk.edit_cell("files", number, "Notiz", "Bitte prüfen").ok
    project = office.one("select id from projects order by id limit 1")
    several = [{"Nr.": project, "Notiz": "Ruht bis Mai"}]
    assert desk.ask("PATCH", f"/api/v2/tables/{desk.tables['projects']}/records", several).ok
    assert desk.link("files", number, "Dokumentart", other).ok
    assert desk.ask("POST", f"/api/v2/tables/{desk.tables['tasks']}/links/{desk.columns('tasks')['Aufgabenart']['id']}"
                            f"/records/{task}", [{"Aufgabenart": "Mangel"}]).ok  # fmt: skip
    assert desk.edit_cell("document_types", other, "Dokumentart", "Ganz anders").ok
    office.read_everything_again()
    assert office.one("select document_type from files where id = %s", number) == "Ganz anders"
    assert office.rows("select note, document_type_id, document_type_source from files where id = %s", number) == [
        ("Bitte prüfen", other, "person")
    ]
    assert office.rows("select note from projects where id = %s", project) == [("Ruht bis Mai",)]
    assert office.rows("select task_type, task_type_source from tasks where id = %s", task) == [("Mangel", "person")]


def test_linking_and_unlinking_are_decisions_that_outlast_the_rules(office: Office) -> None:
    number, _ = _a_file(office)
    group = office.one("select id from cost_groups where number = 457")
    decided = "select is_linked from link_decisions where item = 'file' and item_id = %s and target_id = %s"
    linked = "select count(*) from file_cost_groups where file_id = %s and cost_group_id = %s"
    assert office.desk.link("files", number, "Kostengruppen", group).ok
    assert office.rows(decided, number, group) == [(True,)]
    office.compute_links_again()
    assert office.one(linked, number, group) == 1
    assert office.desk.link("files", number, "Kostengruppen", group, method="DELETE").ok
    assert office.rows(decided, number, group) == [(False,)]
    office.compute_links_again()
    assert office.one(linked, number, group) == 0


@pytest.mark.parametrize("title", ["Datei", "Pfad", "Größe (Byte)", "Vorschau", "Projekt: Regel", "Gelöscht"])
def test_a_source_or_derived_column_refuses_the_edit_and_says_so(office: Office, title: str) -> None:
    number, name = _a_file(office)
    before = office.rows("select to_jsonb(f) from files f where id = %s", number)
    path = f"/api/v2/tables/{office.desk.tables['files']}/records"
    for reply in (
        office.desk.edit_cell("files", number, title, "1"),
        office.desk.ask("PATCH", path, {"Nr.": number, title: "1"}),  # of several rows: NocoDB hides what Postgres says
    ):
        assert reply.status_code == 400, name
        assert reply.json()["msg"] == f'Column "{title}" is readonly column and cannot be updated'
    assert office.rows("select to_jsonb(f) from files f where id = %s", number) == before


def test_every_column_that_postgres_refuses_is_read_only_in_nocodb(office: Office) -> None:
    for name in office.desk.tables:
        for title, column in office.desk.columns(name).items():
            if column["dt"] and column["uidt"] != "ForeignKey":
                ((update, insert),) = office.rows(
                    "select has_column_privilege('ibhelm_nocodb', %s, %s, 'update'),"
                    " has_column_privilege('ibhelm_nocodb', %s, %s, 'insert')",
                    f"public.{name}", column["column_name"], f"public.{name}", column["column_name"],
                )  # fmt: skip
                assert column["readonly"] or column["pk"] or update or insert, (name, title)


def test_a_second_set_up_changes_nothing_and_keeps_what_people_made(office: Office) -> None:
    desk = office.desk
    files = desk.tables["files"]
    view = desk.ok("POST", f"/api/v2/meta/tables/{files}/grids", {"title": PERSONS_VIEW, "type": 3})["id"]
    desk.ok("POST", f"/api/v2/meta/views/{view}/filters",
            {"fk_column_id": desk.columns("files")["Endung"]["id"], "comparison_op": "eq", "value": "pdf"})  # fmt: skip
    main = desk.views("files")["Alle Dateien"]["id"]
    hidden = desk.columns("files")["Projektordner"]["id"]
    desk.ok("PATCH", f"/api/v3/meta/views/{main}/columns", {"fields": {hidden: {"show": False, "width": "90px"}}})
    before = _looks(office)
    for token in (desk.token, desk.api_token):
        done = office.set_up(token)
        assert done.returncode == 0, done.stderr
        assert "now changed: 0 titles of tables, 0 columns, 0 views; 0 views made" in done.stdout
        assert _looks(office) == before
    assert PERSONS_VIEW in desk.views("files")


def _looks(office: Office) -> dict[str, Any]:
    looks: dict[str, Any] = {}
    for name in ("files", "tasks", "projects"):
        for title, view in office.desk.views(name).items():
            path = f"/api/v2/meta/views/{view['id']}"
            columns = office.desk.ok("GET", f"/api/v3/meta/views/{view['id']}/columns")["fields"]
            looks[f"{name}/{title}"] = [
                {each: (stand["show"], stand["order"], stand.get("width")) for each, stand in columns.items()},
                *[office.desk.ok("GET", f"{path}/{what}")["list"] for what in ("filters", "sorts")],
            ]
    return looks


def test_a_new_column_of_ours_appears_with_a_title_and_the_report_names_it(office: Office) -> None:
    office.rows("alter table public.document_types add column made_up_words text")
    try:
        refused = office.set_up(office.desk.api_token)
        assert refused.returncode == 1
        assert "Meta Sync" in refused.stderr
        done = office.set_up(office.desk.token)
        assert "document_types.made_up_words" in done.stdout
        assert office.desk.columns("document_types")["Made up words"]["readonly"] in (False, 0)
    finally:
        office.rows("alter table public.document_types drop column made_up_words")
        assert office.set_up(office.desk.token).returncode == 0


def test_what_stands_in_the_way_is_said_in_a_sentence(office: Office) -> None:
    token, right = office.desk.token, conninfo_to_dict(office.environment["IBHELM_NOCODB_DATABASE_URL"])
    port = nocodb_desk.free_port()
    elsewhere = make_conninfo(**{**right, "port": port})
    stranger = make_conninfo(**{**right, "password": "not this one"})
    for done, words in (
        (office.set_up("no-such-token"), "NocoDB refuses the token"),
        (office.set_up("-8GiNoSuchToken"), "NocoDB refuses the token"),
        (office.set_up("--no-such-token"), "NocoDB refuses the token"),
        (office.set_up(token, f"http://127.0.0.1:{port}"), "NocoDB cannot be reached"),
        (office.set_up(token, IBHELM_NOCODB_DATABASE_URL=stranger), "Postgres does not let ibhelm_nocodb in"),
        (office.set_up(token, IBHELM_NOCODB_DATABASE_URL=elsewhere), "NocoDB cannot reach Postgres"),
    ):
        assert done.returncode == 1
        assert words in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
