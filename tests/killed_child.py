"""kill -9 between any two statements: an action runs in a forked child that kills itself at the N-th one it sends."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import psycopg


def run_in_child(
    action: Callable[[], Any], *, die_at: int | None, begun: Callable[[int], None] = lambda _child: None
) -> list[str] | None:
    """Run in a forked child, killed before its `die_at`-th statement; returns what it sent, None when killed.

    `begun` is told its process, for those who kill it themselves.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        sent: list[str] = []

        def counted(method: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                sent.append(str(args[1]))
                if len(sent) == die_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return method(*args, **kwargs)

            return call

        for name in ("execute", "executemany", "copy"):
            setattr(psycopg.Cursor, name, counted(getattr(psycopg.Cursor, name)))
        status = 1
        try:
            action()
            os.write(writer, json.dumps(sent).encode())
            status = 0
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
