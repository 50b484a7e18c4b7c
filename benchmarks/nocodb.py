"""Times a page of 100 files through NocoDB's API, with a full table, against the same rows asked of Postgres.

    python -m benchmarks.nocodb [--files 300000] [--requests 40]

A real NocoDB (installed once into the user's cache, as for the tests) on an embedded Postgres, set up by
`ibhelm nocodb-setup`. The pages are those of the views that people open first, with their columns, conditions and
order: the newest files, the gallery, files without a project, and a page deep within. The reference asks for the same
rows of the newest files with their project, cost groups and places, in one statement. Subject and reference take turns.
Prints the median and the 95th percentile of each, the ratio of the medians, and how much of a processor's time
NocoDB takes for a page: what a page costs on a machine that has nothing else to do.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import requests
from pydantic import SecretStr

from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.nocodb.setup import set_up
from ibhelm_pipelines.settings import Settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import nocodb_desk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILL = (
    "insert into projects (teamwork_id, name) select n, (2000 + n) || ' Projekt ' || n from generate_series(1, 200) n",
    "insert into locations (project_id, building) select id, 'Haus ' || b from projects, generate_series(1, 5) b",
    "insert into contents (hash, size_bytes) select lpad(to_hex(n), 64, '0'), n from generate_series(1, %(files)s) n",
    """
    insert into files (name, path, raw_path, extension, folder, size_bytes, modified_at, nas_url, content_hash,
                       thumbnail, project_id, document_type_id, deleted_at)
    select 'Plan ' || n || '.pdf', f.path, convert_to(f.path, 'utf8'), 'pdf', 'projekte/' || (2000 + n %% 200), n,
           now() - n * interval '7 minutes', 'smb://nas/' || f.path, lpad(to_hex(n), 64, '0'),
           case when n %% 10 < 7 then
               jsonb_build_array(jsonb_build_object('url', 'http://127.0.0.1/' || n, 'title', 'Plan'))::text end,
           case when n %% 20 > 0 then 1 + n %% 200 end,
           case when n %% 5 > 0 then (select min(id) from document_types) + n %% 3 end,
           case when n %% 50 = 0 then now() end
    from generate_series(1, %(files)s) n
    cross join lateral (select 'projekte/' || (2000 + n %% 200) || '/Plan ' || n || '.pdf' as path) f
    """,
    """
    insert into file_cost_groups (file_id, cost_group_id, rule)
    select f.id, g.id, 'KGR'
    from files f
    join (select id, row_number() over (order by id) as n from cost_groups) g
        on g.n in (1 + f.id %% 100, 101 + f.id %% 90)
    where f.id %% 4 > 0
    """,
    """
    insert into file_locations (file_id, location_id, rule)
    select f.id, l.id, 'Ort' from files f join locations l on l.project_id = f.project_id and l.id %% 5 = f.id %% 5
    """,
)

REFERENCE = """
select f.id, f.name, f.thumbnail, p.name, t.name, f.folder, f.modified_at, f.size_bytes, f.note, f.nas_url, f.path,
       (select jsonb_agg(g.label) from file_cost_groups b join cost_groups g on g.id = b.cost_group_id
        where b.file_id = f.id),
       (select jsonb_agg(l.label) from file_locations b join locations l on l.id = b.location_id where b.file_id = f.id)
from files f left join projects p on p.id = f.project_id left join document_types t on t.id = f.document_type_id
where f.deleted_at is null order by f.modified_at desc nulls last limit 100
"""
PAGES = (("Alle Dateien", ""), ("Galerie", ""), ("Ohne Projekt", ""), ("Alle Dateien", "&offset=10000"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=300_000)
    parser.add_argument("--requests", type=int, default=40)
    args = parser.parse_args()
    with _nocodb(args.files) as (desk, url), psycopg.connect(url) as connection:
        for view, more in PAGES:
            page = _page(desk, view, more)
            reference = _reference(connection)
            for call in (page, reference):
                call()
            before = _processor_seconds(desk.port)
            times: dict[str, list[float]] = {"NocoDB": [], "Postgres": []}
            for _ in range(args.requests):
                times["NocoDB"].append(_seconds(page))
                times["Postgres"].append(_seconds(reference))
            spent = _processor_seconds(desk.port) - before
            print(f"{view}: {spent / args.requests * 1000:.0f} ms of NocoDB's processor time a page")
            _tell(f"{view} {more.removeprefix('&')}".strip(), times)


@contextlib.contextmanager
def _nocodb(files: int) -> Iterator[tuple[nocodb_desk.Desk, str]]:
    with tempfile.TemporaryDirectory(prefix="ibhelm-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)
        server = EmbeddedPostgres(folder=folder / "postgres")
        server.start()
        stack.callback(server.stop)
        migrate(server.url())
        print(f"Filling the tables with {files:,} files ...", flush=True)
        with psycopg.connect(server.url(), autocommit=True) as connection:
            for statement in FILL:
                connection.execute(statement % {"files": files})
            connection.execute("vacuum analyze")
        passwords = {role: nocodb_desk.let_in(server, role) for role in ("ibhelm_pipeline", "ibhelm_nocodb")}
        urls = {role: SecretStr(server.url(user=role, password=password)) for role, password in passwords.items()}
        settings = Settings(
            _env_file=None,
            database_url=urls["ibhelm_pipeline"],
            owner_database_url=SecretStr(server.url()),
            nocodb_database_url=urls["ibhelm_nocodb"],
        )
        desk = nocodb_desk.Desk(stack.enter_context(nocodb_desk.running(server, folder / "nocodb.log")))
        print("Setting NocoDB up ...", flush=True)
        begun = time.monotonic()
        set_up(settings, desk.url, desk.token, lambda _: None)
        print(f"Set up in {time.monotonic() - begun:.0f} s.", flush=True)
        desk.look_around()
        yield desk, server.url()


def _page(desk: nocodb_desk.Desk, view: str, more: str) -> Callable[[], object]:
    path = f"/api/v2/tables/{desk.tables['files']}/records?limit=100&viewId={desk.views('files')[view]['id']}{more}"
    session = requests.Session()
    session.headers["xc-auth"] = desk.token

    def ask() -> object:
        reply = session.get(desk.url + path, timeout=nocodb_desk.TIMEOUT_SECONDS)
        rows = reply.json().get("list", [])
        if len(rows) != 100:
            raise SystemExit(f"{view} shows {len(rows)} rows instead of 100")
        return rows

    return ask


def _reference(connection: psycopg.Connection) -> Callable[[], object]:
    return lambda: connection.execute(REFERENCE).fetchall()


def _processor_seconds(port: int) -> float:
    """Of the process that listens on a port."""
    pid = next(
        each.pid for each in psutil.net_connections("tcp") if each.laddr.port == port and each.status == "LISTEN"
    )
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _tell(name: str, times: dict[str, list[float]]) -> None:
    for who, seconds in times.items():
        middle, high = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
        print(f"{name}: {who} {middle * 1000:.0f} ms median, {high * 1000:.0f} ms p95")
    medians = [statistics.median(seconds) for seconds in times.values()]
    print(f"{name}: {medians[0] / medians[1]:.1f} times the reference", flush=True)


if __name__ == "__main__":
    main()
