"""TCP ports on 127.0.0.1: a configured one or a free one, and a clear sentence when it is taken.

A free port is kept in a file and taken again at the next start, so that bookmarks and the addresses in `.ibhelm/env`
stay good.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import psutil

from ibhelm_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def choose_port(configured: int, *, memory: Path, service: str, variable: str) -> int:
    """Return the port that a service should listen on.

    Args:
        configured: the port that a person asked for, or 0 for a free one.
        memory: file that keeps the free port from one start to the next.
        service: what wants the port, for the error.
        variable: the environment variable that sets it, for the error.

    Raises:
        ConfigurationError: the configured port is taken.
    """
    if configured == 0:
        return _remembered_or_free(memory)
    if not is_free(configured):
        raise ConfigurationError(
            f"{service} cannot listen on port {configured} of {HOST}: it is taken{_by_whom(configured)}.",
            next_step=f"Set {variable} to another port, or to 0 for a free one.",
        )
    return configured


def _remembered_or_free(memory: Path) -> int:
    if memory.exists():
        text = memory.read_text(encoding="utf-8").strip()
        if text.isdigit() and 0 < int(text) < 65536 and is_free(int(text)):
            return int(text)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    memory.write_text(f"{port}\n", encoding="utf-8")
    return port


def _by_whom(port: int) -> str:
    """Name the program behind a port where the kernel lets us see it."""
    try:
        connections = psutil.net_connections("tcp")
        listening = {c.pid: c.laddr for c in connections if c.status == psutil.CONN_LISTEN}
        holders = [pid for pid, address in listening.items() if address and address.port == port]
        names = sorted(f"{psutil.Process(pid).name()}, pid {pid}" for pid in holders if pid)
    except psutil.Error:
        return ""
    return f" by another program ({'; '.join(names)})" if names else " by another program"
