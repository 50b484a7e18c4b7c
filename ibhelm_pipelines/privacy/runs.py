"""One run that forgets people: whose addresses are meant, who started it, and that it is the only one."""

from __future__ import annotations

import os
import pwd
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.forgotten import normal
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BusyError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

ROW_SIGNS = 320
"""The longest mail address (RFC 3696, erratum 1690)."""


def normal_addresses(addresses: Sequence[str]) -> list[str]:
    """Return addresses in their one spelling, each once.

    Raises:
        ConfigurationError: one of them is none.
    """
    found = list(dict.fromkeys(map(normal, addresses)))
    for at, each in enumerate(found, 1):
        if not each or len(each) > ROW_SIGNS or any(sign in each for sign in "<>,;\0\n"):
            raise ConfigurationError(
                f"Address {at} of {len(found)} is no address.",
                next_step="Give the bare address, without a name and angle brackets: --address max@example.org.",
            )
    return found


def connected(settings: Settings) -> Connection:
    """Open a connection in autocommit mode."""
    return connect(settings.require_database_url(), application="forget", autocommit=True)


@contextmanager
def only_run(settings: Settings) -> Iterator[Connection]:
    """Keep other runs away for the length of the block.

    Raises:
        BusyError: there is another one.
    """
    with connected(settings) as connection:
        [(alone,)] = connection.execute(load_queries("privacy")["lock_forgetting"]).fetchall()
        if not alone:
            raise BusyError("Another `ibhelm forget` is running.", next_step="Wait until it has ended.")
        yield connection


def who_runs() -> str:
    """Return who started this: for the record of the run."""
    return f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"
