"""The gateway as browsers and strangers meet it: a real process, real sockets, a real object store."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import http.client
import os
import subprocess
import sys
import urllib.parse
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from web_desk import PATIENCE_SECONDS, Gateway, environment, file_link, preview_link, running, sha256, sign
from webhook_sender import wait_for

from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.objects.store import original_key
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.web.gateway import READERS

DATA = bytes(range(256)) * 40
NOBODY = "postgresql://ibhelm@127.0.0.1:1/nothing"
"""Where no Postgres is: the gateway needs none."""

LARGE = 72 * 1024 * 1024


@pytest.fixture(scope="module")
def gateway(s3: EmbeddedS3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all tests that leave it alive: a start costs a second of processor time."""
    bucket = f"web-{uuid.uuid4().hex}"
    EmbeddedS3(folder=s3.folder, bucket=bucket, access_key=s3.access_key, secret_key=s3.secret_key).start()
    settings = Settings(_env_file=None, s3_endpoint=s3.endpoint, s3_bucket=bucket, database_url=NOBODY)
    with running(settings, tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def large(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of a file that is too large to be held in memory unseen."""
    path = tmp_path_factory.mktemp("large") / "scan.pdf"
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(LARGE // 2**20):
            digest.update(block := os.urandom(2**20))
            file.write(block)
    content_hash = digest.hexdigest()
    with path.open("rb") as file:
        gateway.objects.put_file(
            original_key(content_hash), file, sha256=content_hash, size=LARGE, media_type="application/pdf"
        )
    return content_hash


def test_a_signed_link_gives_the_very_bytes(gateway: Gateway) -> None:
    content_hash = gateway.put(DATA)
    page = gateway.get(file_link(content_hash))
    assert (page.status, page.body) == (200, DATA)
    preview = gateway.put(b"RIFF0000WEBP", "image/webp", kind="thumbnail", of=content_hash)
    page = gateway.get(preview_link(preview))
    assert (page.status, page.body, page.headers["content-type"]) == (200, b"RIFF0000WEBP", "image/webp")
    empty = gateway.get(file_link(gateway.put(b"", "application/x-empty")))
    assert (empty.status, empty.body, empty.headers["content-length"]) == (200, b"", "0")


def test_whatever_is_forged_looks_like_what_is_not_there(gateway: Gateway) -> None:
    known, other = gateway.put(DATA), gateway.put(b"another")
    gateway.put(b"preview", "image/webp", kind="thumbnail", of=known)
    signature, preview = sign("original", known), sign("thumbnail", known)
    never_stored = "0" * 64
    forged = [
        f"/files/{never_stored}/{sign('original', never_stored)}/plan.pdf",  # rightly signed, but nothing there
        *(f"/files/{known}/{signature[:i]}{'AB'[signature[i] == 'A']}{signature[i + 1 :]}/plan.pdf" for i in (0, 20)),
        f"/files/{known}/{preview}/plan.pdf",  # the right to see the preview is none to the file
        f"/thumbnails/{known}/{signature}",
        f"/files/{other}/{signature}/plan.pdf",
        f"/files/{known}/{sign('original', known, 'a secret that was rotated away long ago')}/plan.pdf",
        f"/files/{known.upper()}/{sign('original', known.upper())}/plan.pdf",
        f"/files/{known}/{signature[:-1]}/plan.pdf",
        f"/files/{known}/{signature}=/plan.pdf",
        f"/files/{known}/{signature}",
        f"/files/{known}//plan.pdf",
        f"/files/{known}/%C3%BC{signature}/plan.pdf",
        f"/files/{known[:-1]}/{sign('original', known[:-1])}/plan.pdf",
        f"/files/..%2Fthumbnails%2F{known}.webp/{sign('original', f'../thumbnails/{known}.webp')}/plan.pdf",
        f"/thumbnails/%2e%2e%2foriginals%2f{known}/{sign('thumbnail', f'../originals/{known}')}",
        f"/files/../files/{known}/{signature}/plan.pdf",
        f"//files/{known}/{signature}/plan.pdf",
        "/files/", "/favicon.ico", "/docs", "/%00", "/originals/" + known, f"/thumbnails/{known}.webp",
    ]  # fmt: skip
    answers = [gateway.get(path) for path in forged]
    distinct = {(a.status, a.body, *sorted((k, v) for k, v in a.headers.items() if k != "date")) for a in answers}
    assert len(distinct) == 1
    assert answers[0].status == 404
    assert answers[0].headers["cache-control"] == "no-store"


def test_an_object_that_was_forgotten_is_gone_for_every_link(gateway: Gateway) -> None:
    content_hash = gateway.put(b"a letter that nobody may read any more")
    assert gateway.get(file_link(content_hash)).status == 200
    gateway.objects.delete(original_key(content_hash))
    assert {gateway.get(file_link(content_hash), method).status for method in ("GET", "HEAD")} == {404}


SIZE = len(DATA)
PARTS = [
    ("bytes=0-0", 206, slice(0, 1)),
    ("bytes=10-19", 206, slice(10, 20)),
    ("bytes=10-", 206, slice(10, None)),
    ("bytes=-7", 206, slice(SIZE - 7, None)),
    (f"bytes=-{SIZE + 5}", 206, slice(0, None)),
    (f"bytes={SIZE - 1}-{SIZE + 99}", 206, slice(SIZE - 1, None)),
    (f"bytes=0-{SIZE - 1}", 206, slice(0, None)),
    ("bytes= 3-4 ", 206, slice(3, 5)),
    (f"bytes={SIZE}-", 416, slice(0, 0)),
    (f"bytes={SIZE + 1}-{SIZE + 2}", 416, slice(0, 0)),
    ("bytes=5-4", 200, slice(0, None)),  # no range at all
    ("bytes=-0", 416, slice(0, 0)),
    ("bytes=-", 200, slice(0, None)),
    ("bytes=0-1,4-5", 200, slice(0, None)),  # the whole is a good answer to several
    ("bytes=a-b", 200, slice(0, None)),
    ("bytes=1-²", 200, slice(0, None)),
    ("lines=0-1", 200, slice(0, None)),
    ("bytes=" + "9" * 5000 + "-", 200, slice(0, None)),
]


@pytest.mark.parametrize(("asked", "status", "bytes_"), PARTS)
def test_a_range_gives_just_these_bytes(gateway: Gateway, asked: str, status: int, bytes_: slice) -> None:
    link = file_link(gateway.put(DATA))
    page = gateway.get(link, Range=asked)
    assert page.status == status
    if status == 416:
        assert page.headers["content-range"] == f"bytes */{SIZE}"
        return
    assert page.body == DATA[bytes_]
    first, last, _ = bytes_.indices(SIZE)
    assert page.headers.get("content-range") == (f"bytes {first}-{last - 1}/{SIZE}" if status == 206 else None)


def test_a_range_of_nothing_is_no_error_but_for_bytes_that_cannot_be(gateway: Gateway) -> None:
    link = file_link(gateway.put(b"", "application/x-empty"))
    assert [gateway.get(link, Range=asked).status for asked in ("bytes=-5", "bytes=0-", "bytes=0-0")] == [200, 416, 416]


def test_a_range_goes_on_only_with_the_same_content(gateway: Gateway) -> None:
    content_hash = gateway.put(DATA)
    same, other = f'"{content_hash}"', f'"{"0" * 64}"'
    answers = [gateway.get(file_link(content_hash), Range="bytes=4-5", If_Range=tag) for tag in (same, other)]
    assert [(answer.status, len(answer.body)) for answer in answers] == [(206, 2), (200, SIZE)]
    preview = gateway.put(b"preview", "image/webp", kind="thumbnail", of=content_hash)
    assert gateway.get(preview_link(preview), Range="bytes=1-2").body == b"preview"


def test_what_a_browser_has_it_need_not_get_again(gateway: Gateway) -> None:
    content_hash = gateway.put(DATA)
    page = gateway.get(file_link(content_hash))
    assert page.headers["etag"] == f'"{content_hash}"'
    assert page.headers["cache-control"] == "private, max-age=604800, immutable"
    for tags in (page.headers["etag"], f'"x", W/{page.headers["etag"]}', "*"):
        again = gateway.get(file_link(content_hash), If_None_Match=tags, Range="bytes=0-1")
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", page.headers["etag"])
    assert gateway.get(file_link(content_hash), If_None_Match='"x"').body == DATA


def test_a_preview_that_was_made_anew_is_fetched_anew(gateway: Gateway) -> None:
    content_hash = gateway.put(DATA)
    gateway.put(b"of the old tool", "image/webp", kind="thumbnail", of=content_hash)
    old = gateway.get(preview_link(content_hash))
    gateway.put(b"of a better tool", "image/webp", kind="thumbnail", of=content_hash)
    new = gateway.get(preview_link(content_hash), If_None_Match=old.headers["etag"])
    assert (old.body, new.status, new.body) == (b"of the old tool", 200, b"of a better tool")
    assert "immutable" not in new.headers["cache-control"]


@pytest.mark.parametrize("size", ["tiny", "small", "card_cover"])
def test_nocodb_gets_the_preview_in_whatever_size_it_asks_for(gateway: Gateway, size: str) -> None:
    content_hash = gateway.put(DATA)
    gateway.put(b"the preview", "image/webp", kind="thumbnail", of=content_hash)
    page = gateway.get(f"{preview_link(content_hash)}/{size}.jpg")
    assert (page.status, page.headers["content-type"], page.body) == (200, "image/webp", b"the preview")
    forged = preview_link(content_hash)[:-1] + ("A" if preview_link(content_hash)[-1] != "A" else "B")
    assert gateway.get(f"{forged}/{size}.jpg").status == 404
    assert gateway.get(f"{preview_link(content_hash)}/huge.jpg").status == 404


def test_head_says_what_get_would(gateway: Gateway) -> None:
    link = file_link(gateway.put(DATA))
    got, asked = gateway.get(link), gateway.get(link, "HEAD", Range="bytes=0-1")
    assert (asked.status, asked.body) == (200, b"")
    assert asked.headers | {"date": ""} == got.headers | {"date": ""}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_it_only_reads(gateway: Gateway, method: str) -> None:
    content_hash = gateway.put(DATA)
    assert gateway.get(file_link(content_hash), method).status == 405
    assert gateway.get(file_link(content_hash)).body == DATA


SHOWN = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "application/pdf"]
SAVED = [
    "text/html", "TEXT/HTML", "text/html; charset=utf-8", "image/svg+xml", "application/xml", "text/xml",
    "application/xhtml+xml", "application/javascript", "text/css", "message/rfc822",
    "application/zip", "application/octet-stream", "image/tiff", "video/mp4", "text/csv", "application/wasm",
]  # fmt: skip


@pytest.mark.parametrize("media_type", [*SHOWN, "text/plain", *SAVED])
def test_only_what_cannot_run_is_shown_in_the_browser(gateway: Gateway, media_type: str) -> None:
    content_hash = gateway.put(f"<script>alert('{media_type}')</script>".encode(), media_type)
    for name in ("harmlos.png", "böse.html", "böse.svg", ".htm", ""):
        for method in ("GET", "HEAD"):
            page = gateway.get(file_link(content_hash, name), method)
            disposition, policy = page.headers["content-disposition"], page.headers["content-security-policy"]
            assert disposition.split(";")[0] == ("attachment" if media_type in SAVED else "inline")
            assert page.headers["x-content-type-options"] == "nosniff"
            assert policy == "default-src 'none'; sandbox"
            assert page.headers["cross-origin-resource-policy"] == "cross-origin"
            assert page.headers["referrer-policy"] == "no-referrer"
    shown = media_type if media_type != "text/plain" else "text/plain; charset=utf-8"
    assert page.headers["content-type"] == (shown if media_type not in SAVED else media_type.lower().split(";")[0])


NAMES = {
    "Lüftungsplan 2.OG (Größe 4 m²).pdf": "Lüftungsplan 2.OG (Größe 4 m²).pdf",
    "図面\U0001f3d7.pdf": "図面\U0001f3d7.pdf",
    'a"; filename="b.html': 'a"; filename="b.html',
    "x\r\nSet-Cookie: a=b\x00.pdf": "x__Set-Cookie: a=b_.pdf",
    "../../etc/passwd": ".._.._etc_passwd",
    "24/12 Rechnung.pdf": "24_12 Rechnung.pdf",
    "C:\\Windows\\x.exe": "C:_Windows_x.exe",
    "Rechnung\u202efdp.exe": "Rechnung_fdp.exe",
    "": "download",
    "x" * 400: "x" * 255,
}


@pytest.mark.parametrize(("name", "saved"), NAMES.items(), ids=lambda name: ascii(name)[:20])
def test_a_download_has_its_real_name_and_no_name_does_harm(gateway: Gateway, name: str, saved: str) -> None:
    page = gateway.get(file_link(gateway.put(DATA, "application/zip"), name))
    assert (page.status, page.body) == (200, DATA)
    plain, _, encoded = page.headers["content-disposition"].partition("; filename*=UTF-8''")
    assert urllib.parse.unquote(encoded) == saved
    assert plain.isascii()
    assert plain.count('"') == 2
    assert "set-cookie" not in page.headers


def test_fifty_browsers_at_once_each_get_their_own(gateway: Gateway) -> None:
    contents = [os.urandom(50_000 + number) for number in range(50)]
    links = [file_link(gateway.put(data)) for data in contents]
    with concurrent.futures.ThreadPoolExecutor(50) as browsers:
        pages = list(browsers.map(gateway.get, links))
    assert [sha256(page.body) for page in pages] == [sha256(data) for data in contents]


def test_a_large_file_passes_through_in_little_memory(gateway: Gateway, large: str) -> None:
    process = psutil.Process(gateway.process.pid)
    gateway.get(file_link(gateway.put(DATA)))
    before, most, digest = process.memory_info().rss, 0, hashlib.sha256()
    with contextlib.closing(gateway.connect()) as connection:
        connection.request("GET", file_link(large))
        answer = connection.getresponse()
        while chunk := answer.read(2**20):
            digest.update(chunk)
            most = max(most, process.memory_info().rss)
    assert digest.hexdigest() == large
    assert most - before < LARGE / 3
    page = gateway.get(file_link(large), Range=f"bytes={LARGE - 10}-")
    assert (page.status, len(page.body)) == (206, 10)


def test_browsers_that_dawdle_hold_up_nobody_and_those_that_leave_end_their_reading(
    gateway: Gateway,
) -> None:
    link, plan, many = file_link(gateway.put(DATA)), gateway.put(os.urandom(12 * 2**20)), READERS + 6
    with contextlib.ExitStack() as stack:
        for _ in range(many):
            connection = stack.enter_context(contextlib.closing(gateway.connect()))
            connection.request("GET", file_link(plan))
            assert connection.getresponse().read(1000)
        assert gateway.get(link).body == DATA
    wait_for(lambda: len([line for line in gateway.lines("request") if line.get("hash") == plan]) == many)
    assert not any(line["complete"] for line in gateway.lines("request") if line.get("hash") == plan)
    connections = psutil.Process(gateway.process.pid).net_connections()
    assert len([each for each in connections if each.status == "ESTABLISHED"]) < many


def test_each_request_is_a_line_without_its_address(gateway: Gateway) -> None:
    content_hash = gateway.put(b"once only")
    gateway.get(file_link(content_hash, "geheim.pdf"))
    wait_for(lambda: [line for line in gateway.lines("request") if line.get("hash") == content_hash])
    [line] = [line for line in gateway.lines("request") if line.get("hash") == content_hash]
    told = {name: line[name] for name in ("level", "method", "kind", "status", "bytes", "complete")}
    assert told == {
        "level": "info", "method": "GET", "kind": "original", "status": 200, "bytes": 9, "complete": True,
    }  # fmt: skip
    assert not [line for line in gateway.log if "geheim" in line]


def test_a_store_that_dies_cuts_answers_off_and_is_told_of_until_it_is_back(
    settings: Settings, private_s3: EmbeddedS3, tmp_path: Path
) -> None:
    private = settings.model_copy(update={"s3_endpoint": private_s3.endpoint, "s3_bucket": private_s3.bucket})
    with running(private, tmp_path, WEB_PASSWORD="a password of this test") as gateway:
        content_hash, large = gateway.put(DATA), gateway.put(os.urandom(24 * 2**20))
        wait_for(lambda: _heartbeat(settings).get("problem", "not said yet") is None)
        assert gateway.get("/healthz").status == 200
        with contextlib.closing(gateway.connect()) as connection:
            connection.request("GET", file_link(large))
            answer = connection.getresponse()
            answer.read(2**20)
            _kill(private_s3)
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                answer.read()
        wait_for(lambda: gateway.lines("request"))
        [line] = gateway.lines("request")
        assert (line["level"], line["complete"], "S3 server" in line["problem"]) == ("warning", False, True)

        for ask in ({}, {"method": "HEAD"}):
            page = gateway.get(file_link(content_hash), **ask)
            assert (page.status, page.headers["cache-control"]) == (503, "no-store")
            assert page.headers["retry-after"] == "10"
        assert gateway.get("/healthz").status == 503
        assert gateway.get(file_link("0" * 64)[:-30]).status == 404  # a stranger learns nothing of it
        private_s3.start()
        assert gateway.get(file_link(content_hash)).body == DATA


def _kill(server: EmbeddedS3) -> None:
    process = server.process()
    assert process is not None
    psutil.Process(process.pid).kill()


def _heartbeat(settings: Settings) -> dict[str, object]:
    with psycopg.connect(settings.require_database_url()) as connection:
        rows = connection.execute("select state from ops.heartbeats where kind = 'web'").fetchall()
    return dict(rows[0][0]) if rows else {}


def test_who_takes_nothing_is_dropped_in_the_end(gateway: Gateway, large: str, tmp_path: Path) -> None:
    impatient = tmp_path / "impatient.py"
    impatient.write_text(
        "from ibhelm_pipelines.local import patient_protocol\npatient_protocol.TAKING_SECONDS = 0.5\n"
        "from ibhelm_pipelines.cli import main\nmain(['web'])\n",
        encoding="utf-8",
    )
    changed = gateway.environment | {"IBHELM_STATE_DIR": str(tmp_path / "state")}
    command = [sys.executable, str(impatient)]
    with subprocess.Popen(command, env=changed, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            lines = iter(process.stderr)
            port = next(line for line in lines if "web_listening" in line).partition('"url": "')[2].split('"')[0]
            dawdler = http.client.HTTPConnection(port.removeprefix("http://"), timeout=PATIENCE_SECONDS)
            with contextlib.closing(dawdler):
                dawdler.request("GET", file_link(large))
                answer = dawdler.getresponse()
                assert next(line for line in lines if '"complete": false' in line)
                with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                    answer.read()
        finally:
            process.kill()


def test_without_a_secret_it_does_not_start(settings: Settings, tmp_path: Path) -> None:
    variables = environment(settings, tmp_path)
    del variables["IBHELM_WEB_SECRET"]
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", "web"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "IBHELM_WEB_SECRET is not set. `ibhelm up` makes a secret" in done.stderr) == (1, True)
