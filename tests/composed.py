"""deploy/compose.yaml as Docker Compose itself understands it, with deploy/.env.example as its variables."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
DEPLOY = REPOSITORY / "deploy"
JOBS = {"volumes", "provision", "tools", "init-secrets"}
"""Services that end; the others are to stay."""

FOREIGN = {"db", "s3", "nocodb", "caddy"}
"""Services from images of others."""


def program(name: str) -> str:
    """Return one of the programs that come as wheels with the development group."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def config(*more: str, files: tuple[str, ...] = ("compose.yaml",), variables: str = "") -> subprocess.CompletedProcess:
    """Run `docker compose config`, which needs no engine; relative paths lie in an empty folder."""
    with TemporaryDirectory() as folder:
        for name in ("ibhelm.env", "pgbackrest.env"):
            (Path(folder) / name).touch()
        (Path(folder) / ".env").write_text(variables or (DEPLOY / ".env.example").read_text(encoding="utf-8"))
        named = [word for file in files for word in ("--file", str(DEPLOY / file))]
        command = [program("docker-compose"), "--project-directory", folder, *named, *more]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin", "HOME": folder}
        )


@cache
def compose(*files: str) -> dict[str, Any]:
    """Return all of it, every profile, variables filled in."""
    done = config("--profile", "*", "config", "--format", "json", files=files or ("compose.yaml",))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def services() -> dict[str, dict[str, Any]]:
    return compose()["services"]
