"""A vendor as the receiver sees it: a real `ibhelm webhooks` process, and signed posts over real sockets."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECRETS = {"teamwork": "teamwork's planted secret", "missive": "missive's planted secret"}
SIGNATURES = {"teamwork": "X-Projects-Signature", "missive": "X-Hook-Signature"}
PATIENCE_SECONDS = 60


def sign(vendor: str, body: bytes) -> str:
    return hmac.new(SECRETS[vendor].encode(), body, hashlib.sha256).hexdigest()


def task(number: int) -> bytes:
    return json.dumps(
        {"eventCreator": {"id": 7}, "task": {"id": number, "name": "Lüftung"}, "project": {"id": 9}}
    ).encode()


def conversation(name: str) -> bytes:
    return json.dumps({"rule": {"id": "r", "type": "incoming_email"}, "conversation": {"id": name}}).encode()


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass
class Receiver:
    """A running `ibhelm webhooks`.

    Args:
        environment: its whole environment.
        command: another server of ours that says likewise where it listens.
        arguments: its arguments.
    """

    environment: dict[str, str]
    command: str = "webhooks"
    arguments: tuple[str, ...] = ()
    log: list[str] = field(default_factory=list)
    before: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        command = [sys.executable, "-m", "ibhelm_pipelines.cli", self.command, *self.arguments]
        self.process = subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        wait_for(lambda: self.lines(f"{self.command}_listening") or self.process.poll() is not None)
        assert self.process.poll() is None, self.log
        self.url: str = self.lines(f"{self.command}_listening")[0]["url"]
        self.port = urlsplit(self.url).port

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr:
            self.log.extend(self.process.stderr)

    def lines(self, event: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, list(self.log)) if line["event"] == event]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it and return its exit status."""
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE_SECONDS)
        self._reader.join()
        return status

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read().decode())

    def post(self, vendor: str, body: bytes, **headers: str) -> Answer:
        """Post something signed; underscores in names of headers stand for hyphens."""
        signature = "sha256=" + sign(vendor, body) if vendor == "missive" else sign(vendor, body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", f"/webhooks/{vendor}", body, {SIGNATURES[vendor]: signature} | named)

    def post_task(self, number: int, delivery: str, client: str = "127.0.0.1") -> Answer:
        return self.post(
            "teamwork",
            task(number),
            X_Projects_Event="TASK.UPDATED",
            X_Projects_Delivery=delivery,
            X_Forwarded_For=client,
        )

    def raw(self, data: bytes, *, seconds: float = PATIENCE_SECONDS) -> bytes:
        """Send bytes as they are and return what comes until the receiver closes or is silent for so long."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            answer = b""
            with contextlib.suppress(TimeoutError, ConnectionError):
                connection.sendall(data)
            with contextlib.suppress(TimeoutError, ConnectionError):
                while received := connection.recv(65536):
                    answer += received
            return answer

    def metric(self, name: str, **labels: str) -> float:
        """Return a counter as Prometheus reads it; 0 where it was never counted."""
        inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        start = f"ibhelm_webhooks_{name}{{{inside}}} "
        found = [line for line in self.ask("GET", "/metrics").text.splitlines() if line.startswith(start)]
        return float(found[0].rpartition(" ")[2]) - self.before[start] if found else 0.0

    def count_afresh(self) -> None:
        """Let the counters begin at zero for the next test; the process itself goes on."""
        lines = self.ask("GET", "/metrics").text.splitlines()
        named = [line.rpartition(" ") for line in lines if not line.startswith("#")]
        self.before = Counter({name + " ": float(value) for name, _, value in named})  # type: ignore[arg-type]


def environment(database_url: str, folder: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a receiver: the two secrets, the database, a free port, and nothing else of ours."""
    ours = {
        "DATABASE_URL": database_url,
        "STATE_DIR": str(folder / "state"),
        "WEBHOOKS_PORT": "0",
        "TEAMWORK_WEBHOOK_SECRET": SECRETS["teamwork"],
        "MISSIVE_WEBHOOK_SECRET": SECRETS["missive"],
    }
    return os.environ | {f"IBHELM_{name}": value for name, value in {**ours, **settings}.items()}


@contextlib.contextmanager
def running(environment: dict[str, str]) -> Iterator[Receiver]:
    """Run a receiver for the length of the block."""
    receiver = Receiver(environment)
    receiver.start()
    try:
        yield receiver
    finally:
        if receiver.process.poll() is None:
            receiver.stop(signal.SIGKILL)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
