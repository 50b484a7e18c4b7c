"""kill -9 between any two statements, or requests of S3: an action runs in a forked child that kills itself at the N-th
one it sends."""

from __future__ import annotations

import json
import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing import forkserver
from typing import Any

import psycopg
from botocore.client import BaseClient


def run_in_child(
    action: Callable[[], Any],
    *,
    die_at: int | None,
    begun: Callable[[int], None] = lambda _child: None,
    requests: bool = False,
) -> list[str] | None:
    """Run in a forked child, killed before its `die_at`-th statement; returns what it sent, None when killed.

    `begun` is told its process, for those who kill it themselves. With `requests`, those of S3 count like statements.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        sent: list[str] = []

        def counted(method: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                sent.append(str(args[1]))
                if die_at is not None and len(sent) >= die_at:  # several threads may have sent one at once
                    os.kill(os.getpid(), signal.SIGKILL)
                return method(*args, **kwargs)

            return call

        for name in ("execute", "executemany", "copy"):
            setattr(psycopg.Cursor, name, counted(getattr(psycopg.Cursor, name)))
        if requests:
            BaseClient._make_api_call = counted(BaseClient._make_api_call)
        _forget_forkserver()
        status = 1
        try:
            action()
            os.write(writer, json.dumps(sent).encode())
            status = 0
        except BaseException:  # noqa: BLE001 - nobody else tells of it
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    begun(child)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return None
    assert os.waitstatus_to_exitcode(status) == 0, "the action failed by itself"
    return list(json.loads(said))


def _forget_forkserver() -> None:
    """Let a forked process start a fork server of its own: that of its parent is none of its children."""
    server = forkserver._forkserver
    server._forkserver_address = server._forkserver_alive_fd = server._forkserver_pid = None
