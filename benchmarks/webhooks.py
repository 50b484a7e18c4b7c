"""Times the webhook receiver against a bare Starlette application that inserts one row.

    python -m benchmarks.webhooks [--posts 2000] [--connections 20]

Both run in a process of their own on the same uvicorn, over the same Postgres with its durability on; subject and
reference take turns. Prints the median, 95th and 99th percentile of the answer times of each, and the ratio of the
medians. The connections post as fast as they get answers, so the figures hold the time in line as well; the last line
is one connection alone.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.local.postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "secret of the benchmark"
ROUNDS = 3
BARE = """
import os, socket, sys
import uvicorn
from anyio import to_thread
from psycopg_pool import ConnectionPool
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

pool = ConnectionPool(sys.argv[1], min_size=1, max_size=4, open=True)

def insert(body):
    with pool.connection() as connection:
        connection.execute("insert into bare (body) values (%s)", [body])

async def post(request):
    await to_thread.run_sync(insert, await request.body())
    return PlainTextResponse("Stored.")

listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
application = Starlette(routes=[Route("/webhooks/teamwork", post, methods=["POST"])])
config = uvicorn.Config(application, http="h11", loop="asyncio", log_config=None, access_log=False)
uvicorn.Server(config).run(sockets=[listener])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ibhelm-bench-") as name:
        Path(name).chmod(0o711)
        server = EmbeddedPostgres(folder=Path(name) / "postgres")
        server.start()
        try:
            migrate(server.url())
            with psycopg.connect(server.url()) as connection:
                connection.execute("create table bare (id bigint generated always as identity primary key, body bytea)")
            with receiver(server.url(), Path(name)) as subject, bare(server.url()) as reference:
                compare(subject, reference, args.posts, args.connections)
        finally:
            server.stop()


@contextmanager
def receiver(url: str, folder: Path) -> Iterator[int]:
    environment = os.environ | {
        "IBHELM_DATABASE_URL": url,
        "IBHELM_STATE_DIR": str(folder / "state"),
        "IBHELM_WEBHOOKS_PORT": "0",
        "IBHELM_TEAMWORK_WEBHOOK_SECRET": SECRET,
    }
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", "webhooks"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with ended(process):
        for line in process.stderr:
            if json.loads(line)["event"] == "webhooks_listening":
                yield int(json.loads(line)["url"].rpartition(":")[2])
                return
        raise SystemExit("the receiver did not start")


@contextmanager
def bare(url: str) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", BARE, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with ended(process):
        yield int(process.stdout.readline())


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def request(number: int, client: int) -> bytes:
    """One post of a task that was changed, as Teamwork sends it; each connection is a client of its own."""
    task = {"id": number + 1, "name": "Lüftungskonzept", "description": "x" * 400, "projectId": 7, "status": "new"}
    body = json.dumps({"eventCreator": {"id": 1}, "task": task}).encode()
    # Addresses change often enough to stay below the limit of each client.
    head = (
        f"POST /webhooks/teamwork HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        f"X-Forwarded-For: 10.{number // 150 % 256}.{number // 150 // 256}.{client}\r\n"
        f"X-Projects-Event: TASK.UPDATED\r\nX-Projects-Delivery: {time.time_ns()}-{number}\r\n"
        f"X-Projects-Signature: {hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}\r\n\r\n"
    )
    return head.encode() + body


def post_all(port: int, posts: int, connections: int) -> list[float]:
    """Return the answer times in milliseconds."""
    share = posts // connections
    work = [[request(client * share + i, client) for i in range(share)] for client in range(connections)]
    times: list[float] = []
    threads = [threading.Thread(target=post, args=(port, requests, times)) for requests in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == share * connections, "not every post was answered with 200"
    return times


def post(port: int, requests: list[bytes], times: list[float]) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for each in requests:
            started = time.perf_counter()
            connection.sendall(each)
            answer = b""
            while not answer.endswith(b"\r\n\r\nStored."):
                answer += (received := connection.recv(65536))
                assert received, answer
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            times.append((time.perf_counter() - started) * 1000)


def compare(subject: int, reference: int, posts: int, connections: int) -> None:
    ratios = []
    for _ in range(ROUNDS):
        bare_times, times = post_all(reference, posts, connections), post_all(subject, posts, connections)
        ratios.append(statistics.median(times) / statistics.median(bare_times))
        print(f"{posts} posts over {connections} connections: {figures(times)}; bare {figures(bare_times)}")
    print(f"ratio of the medians: {statistics.median(ratios):.2f}")
    alone, bare_alone = post_all(subject, posts // 10, 1), post_all(reference, posts // 10, 1)
    ratio = statistics.median(alone) / statistics.median(bare_alone)
    print(f"one connection alone: {figures(alone)}; bare {figures(bare_alone)}; ratio {ratio:.2f}")


def figures(times: list[float]) -> str:
    cuts = statistics.quantiles(times, n=100)
    return f"p50 {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms"


if __name__ == "__main__":
    main()
