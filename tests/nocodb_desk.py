"""A real NocoDB: installed once from the registry into the user's cache, started for a test, asked over its API.

The installation outlives the tests (a minute or more, 1.4 GB); its tables stand in a database of the test's Postgres.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import databases
import psycopg
import pytest
import requests
from browser import CHROMIUM
from psycopg import sql

from ibhelm_pipelines.local.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from browser import Page

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres

INSTALLER = Path(__file__).resolve().parents[1] / "deploy" / "nocodb" / "install"
# An absolute name, because tests run elsewhere; not IBHELM_...: of those the tests know none.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "ibhelm-tests" / "nocodb"
UNREACHABLE = re.compile(r"EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|E40[137]|E50\d")
START_SECONDS = 240
TIMEOUT_SECONDS = 120
PERSON = {"email": "chefin@ibhelm.test", "password": "Passwort.der.Tests.1"}


def installed() -> Path:
    """Return the folder of an installation; skip where there can be none."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine")
    if CHROMIUM is None:
        pytest.skip("Chromium is not on this machine")
    done = subprocess.run([INSTALLER, CACHE], capture_output=True, text=True, check=False)
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip(f"NocoDB cannot be installed, the registry of npm is out of reach: {done.stderr[:300]}")
    assert done.returncode == 0, done.stderr
    return CACHE


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Desk:
    """Somebody who signed in to a running NocoDB."""

    def __init__(self, url: str) -> None:
        self.url, self.port = url, int(url.rpartition(":")[2])
        reply = requests.post(f"{url}/api/v1/auth/user/signup", json=PERSON, timeout=TIMEOUT_SECONDS)
        self.token: str = reply.json()["token"]
        self.api_token: str = self.ok("POST", "/api/v1/tokens", {"description": "set-up"})["token"]
        self.tables: dict[str, str] = {}
        self.base: dict[str, Any] = {}

    def ask(self, method: str, path: str, body: object = None) -> requests.Response:
        headers = {"xc-auth": self.token}
        return requests.request(method, self.url + path, json=body, headers=headers, timeout=TIMEOUT_SECONDS)

    def ok(self, method: str, path: str, body: object = None) -> Any:
        reply = self.ask(method, path, body)
        assert reply.ok, (method, path, reply.text)
        return reply.json()

    def look_around(self) -> None:
        """Learn the ids of the base and of its tables, by their names in Postgres."""
        bases = self.ok("GET", "/api/v2/meta/bases/")["list"]
        (self.base,) = [base for base in bases if base["title"] == "IBHelm"]
        (source,) = [source for source in self.base["sources"] if source["alias"] == "IBHelm"]
        listed = self.ok("GET", f"/api/v2/meta/bases/{self.base['id']}/{source['id']}/tables?includeM2M=true")["list"]
        self.tables = {table["table_name"]: table["id"] for table in listed}

    def table(self, name: str) -> dict[str, Any]:
        return dict(self.ok("GET", f"/api/v2/meta/tables/{self.tables[name]}"))

    def columns(self, name: str) -> dict[str, dict[str, Any]]:
        """By their titles."""
        return {column["title"]: column for column in self.table(name)["columns"]}

    def views(self, name: str) -> dict[str, dict[str, Any]]:
        """By their titles."""
        return {
            view["title"]: view for view in self.ok("GET", f"/api/v2/meta/tables/{self.tables[name]}/views")["list"]
        }

    def records(self, name: str, view: str, more: str = "") -> list[dict[str, Any]]:
        """What a view shows."""
        path = f"/api/v2/tables/{self.tables[name]}/records?limit=100&viewId={self.views(name)[view]['id']}{more}"
        return list(self.ok("GET", path)["list"])

    def edit_cell(self, name: str, record: int, title: str, value: object) -> requests.Response:
        """Edit as NocoDB's own pages do."""
        path = f"/api/v1/db/data/noco/{self.base['id']}/{self.tables[name]}/{record}"
        return self.ask("PATCH", path, {title: value})

    def link(self, name: str, record: int, title: str, other: int, *, method: str = "POST") -> requests.Response:
        column = self.columns(name)[title]["id"]
        return self.ask(
            method, f"/api/v2/tables/{self.tables[name]}/links/{column}/records/{record}", [{"Id": other, "id": other}]
        )

    def open_view(self, page: Page, name: str, view: str) -> None:
        """Show a view in a browser, signed in, in German."""
        state = f'JSON.stringify({{token: "{self.token}", lang: "de"}})'
        page.before_any_script(f"localStorage.setItem('nocodb-gui-v2', {state})")
        path = f"{self.base['fk_workspace_id']}/{self.base['id']}/{self.tables[name]}/{self.views(name)[view]['id']}"
        page.open(f"{self.url}/dashboard/#/{path}")


@contextlib.contextmanager
def running(postgres: EmbeddedPostgres, log: Path) -> Iterator[str]:
    """Start a NocoDB on a free port, with empty tables of its own; return its address."""
    folder, port = installed(), free_port()
    name, password = f"nocodb_{secrets.token_hex(4)}", secrets.token_hex(16)
    role = sql.Identifier(name)
    databases.run(postgres, sql.SQL("create role {} login password {}").format(role, sql.Literal(password)))
    databases.create(postgres, name, template="template0")
    databases.run(postgres, sql.SQL("alter database {} owner to {}").format(role, role))
    environment = os.environ | {
        "NC_DB": f"pg://127.0.0.1:{postgres.port}?u={name}&p={password}&d={name}",
        "NC_TOOL_DIR": str(log.parent),
        "PORT": str(port),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(["node", "index.js"], cwd=folder, env=environment, stdout=output, stderr=output)
        try:
            assert wait_until(lambda: _answers(process, port, log), seconds=START_SECONDS)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            databases.drop(postgres, name)
            databases.run(postgres, sql.SQL("drop role {}").format(role))


def _answers(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")[-2000:]
    try:
        return requests.get(f"http://127.0.0.1:{port}/api/v1/health", timeout=TIMEOUT_SECONDS).ok
    except requests.ConnectionError:
        return False


def let_in(postgres: EmbeddedPostgres, role: str) -> str:
    """Give a role a password, as the admin does; return it."""
    password = secrets.token_hex(16)
    databases.run(
        postgres, sql.SQL("alter role {} login password {}").format(sql.Identifier(role), sql.Literal(password))
    )
    return password


def ask(url: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query, values)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []
