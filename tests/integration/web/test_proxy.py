"""deploy/caddy/Caddyfile in the real Caddy: who gets where without a login, what is passed on, what browsers hear."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import os
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path

import pytest
from composed import DEPLOY, program, services

from ibhelm_pipelines.local.process import wait_until
from ibhelm_pipelines.local.secret_files import Server, init_secrets

PATIENCE_SECONDS = 30
NAMES = {"web": "daten.test", "dagster": "dagster.test", "nocodb": "tabellen.test"}
UPSTREAMS = ("web", "webhooks", "dagster", "nocodb")


class _Silent(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A body that the proxy cuts off breaks the connection; that is what is tried."""


@dataclass
class Behind:
    """A server behind the proxy that notes what reaches it, and speaks enough of WebSocket to shake hands."""

    name: str
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator[int]:
        behind = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _note(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                behind.seen.append((self.command, self.path, headers))
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if headers.get("upgrade") == "websocket":
                    key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                    accepted = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
                    self.send_response(101)
                    for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade")):
                        self.send_header(name, value)
                    self.send_header("Sec-WebSocket-Accept", accepted)
                    self.end_headers()
                    self.close_connection = True
                    return
                body = behind.name.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Server", "upstream/1.0")
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _note  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                pass

        server = _Silent(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@dataclass
class Proxy:
    """The running Caddy, and who stands behind it."""

    https_port: int
    http_port: int
    health_port: int
    behind: dict[str, Behind]
    password: str
    log: Path

    def ask(
        self, site: str, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str
    ) -> HTTPResponse:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # an authority of its own
        connection = _ByName(self.https_port, NAMES[site], context)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers={"Host": NAMES[site], **named})
        answer = connection.getresponse()
        answer.text = answer.read() if answer.status != 101 else b""
        connection.close()
        return answer

    def serves(self, site: str) -> bool:
        try:
            return self.ask(site).status in (200, 401)
        except OSError:
            return False

    def login(self) -> str:
        return "Basic " + base64.b64encode(f"admin:{self.password}".encode()).decode()


class _ByName(HTTPSConnection):
    def __init__(self, port: int, name: str, context: ssl.SSLContext) -> None:
        super().__init__("127.0.0.1", port, timeout=PATIENCE_SECONDS, context=context)
        self._name, self._own_context = name, context

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), self.timeout)
        self.sock = self._own_context.wrap_socket(plain, server_hostname=self._name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("caddy")
    init_secrets(folder / "secrets", server=Server(host="db", port=5432))
    behind = {name: Behind(name) for name in UPSTREAMS}
    ports = {name: _free_port() for name in ("HTTP_PORT", "HTTPS_PORT", "HEALTH_PORT")}
    log = folder / "log"
    with contextlib.ExitStack() as stack:
        upstreams = {
            f"{name.upper()}_UPSTREAM": f"127.0.0.1:{stack.enter_context(each.running())}"
            for name, each in behind.items()
        }
        environment = {
            "PATH": os.defpath,
            "HOME": str(folder),
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "SITE": NAMES["web"],
            "DAGSTER_SITE": NAMES["dagster"],
            "NOCODB_SITE": NAMES["nocodb"],
            "TLS": "internal",
            "ACCOUNTS": str(folder / "secrets" / "dagster_accounts"),
            **upstreams,
            **{name: str(port) for name, port in ports.items()},
        }
        command = [program("caddy"), "run", "--config", str(DEPLOY / "caddy" / "Caddyfile"), "--adapter", "caddyfile"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stderr=output, stdout=output, cwd=folder)
        try:
            proxy = Proxy(
                https_port=ports["HTTPS_PORT"],
                http_port=ports["HTTP_PORT"],
                health_port=ports["HEALTH_PORT"],
                behind=behind,
                password=(folder / "secrets" / "dagster_password").read_text(),
                log=log,
            )
            # Listening is not enough: it makes its certificates first.
            assert wait_until(lambda: all(map(proxy.serves, NAMES)), seconds=60), log.read_text()
            yield proxy
        finally:
            process.terminate()
            assert process.wait(PATIENCE_SECONDS) == 0


def test_every_variable_of_the_caddyfile_is_given_in_compose() -> None:
    used = set(re.findall(r"\{\$([A-Z_]+)\}", (DEPLOY / "caddy" / "Caddyfile").read_text(encoding="utf-8")))
    assert used - set(services()["caddy"]["environment"]) == set()


@pytest.mark.parametrize(
    ("path", "method"), [("/", "GET"), ("/graphql", "POST"), ("/graphql", "GET"), ("/logs/x", "GET")]
)
def test_dagster_answers_nobody_without_a_login(proxy: Proxy, path: str, method: str) -> None:
    proxy.behind["dagster"].seen.clear()
    answer = proxy.ask("dagster", path, method)
    assert (answer.status, "Basic" in answer.headers["WWW-Authenticate"]) == (401, True)
    wrong = "Basic " + base64.b64encode(b"admin:wrong").decode()
    assert proxy.ask("dagster", path, method, Authorization=wrong).status == 401
    assert proxy.ask("dagster", path, method, Authorization="Bearer x", Cookie="ibhelm_web=x").status == 401
    assert proxy.behind["dagster"].seen == []


def test_a_websocket_of_dagsters_pages_needs_the_login_too_and_passes_with_it(proxy: Proxy) -> None:
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    assert proxy.ask("dagster", "/graphql", **handshake).status == 401
    assert proxy.ask("dagster", "/graphql", Authorization=proxy.login(), **handshake).status == 101


def test_dagster_learns_neither_the_login_nor_the_session_of_the_search_page(proxy: Proxy) -> None:
    proxy.behind["dagster"].seen.clear()
    answer = proxy.ask("dagster", "/runs", Authorization=proxy.login(), Cookie="__Host-ibhelm_web=secret; other=1")
    assert (answer.status, answer.text) == (200, b"dagster")
    headers = proxy.behind["dagster"].seen[0][2]
    assert not {"authorization", "cookie"} & set(headers)


def test_nocodb_keeps_its_own_cookies_and_learns_nothing_of_the_session_of_the_search_page(proxy: Proxy) -> None:
    for sent in (
        "refresh_token=nc; __Host-ibhelm_web=secret",
        "__Host-ibhelm_web=secret; refresh_token=nc",
        "ibhelm_web=secret; refresh_token=nc",
    ):
        proxy.behind["nocodb"].seen.clear()
        assert proxy.ask("nocodb", "/", Cookie=sent).text == b"nocodb"
        cookie = proxy.behind["nocodb"].seen[0][2]["cookie"]
        assert "refresh_token=nc" in cookie
        assert "secret" not in cookie


@pytest.mark.parametrize("vendor", ["teamwork", "missive"])
def test_webhooks_reach_the_receiver_without_a_login(proxy: Proxy, vendor: str) -> None:
    proxy.behind["webhooks"].seen.clear()
    answer = proxy.ask("web", f"/webhooks/{vendor}", "POST", b'{"id": 1}', X_Hook_Signature="sha256=ab")
    assert (answer.status, answer.text) == (200, b"webhooks")
    method, path, headers = proxy.behind["webhooks"].seen[0]
    assert (method, path, headers["x-hook-signature"]) == ("POST", f"/webhooks/{vendor}", "sha256=ab")


@pytest.mark.parametrize(
    "path", ["/metrics", "/healthz", "/webhooks", "/webhooks../metrics", "/WEBHOOKS/%2e%2e/metrics"]
)
def test_the_receivers_inside_is_reached_from_nowhere(proxy: Proxy, path: str) -> None:
    proxy.behind["webhooks"].seen.clear()
    proxy.ask("web", path)
    assert [seen for seen in proxy.behind["webhooks"].seen if not seen[1].lower().startswith("/webhooks/")] == []


def test_a_body_that_is_too_large_for_the_receiver_ends_at_the_proxy(proxy: Proxy) -> None:
    assert proxy.ask("web", "/webhooks/teamwork", "POST", b"x" * (3 << 20)).status == 413


def test_whoever_asks_cannot_choose_the_address_that_is_believed(proxy: Proxy) -> None:
    proxy.behind["web"].seen.clear()
    proxy.ask("web", "/login", X_Forwarded_For="10.9.8.7", X_Forwarded_Proto="http")
    headers = proxy.behind["web"].seen[0][2]
    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == ("127.0.0.1", "https")


@pytest.mark.parametrize("site", ["web", "dagster", "nocodb"])
def test_browsers_are_told_to_be_careful(proxy: Proxy, site: str) -> None:
    answer = proxy.ask(site, "/", Authorization=proxy.login())
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Server"] is None
    assert (answer.headers["X-Frame-Options"] is None) == (site == "web")  # our own pages say it themselves


def test_plain_http_only_leads_to_https(proxy: Proxy) -> None:
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", proxy.http_port, timeout=PATIENCE_SECONDS)
    ) as connection:
        connection.request("GET", "/search?q=x", headers={"Host": NAMES["dagster"]})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Location"].startswith("https://")) == (308, True)


def test_the_log_names_no_right_and_no_search(proxy: Proxy) -> None:
    before = proxy.log.read_text().count("REDACTED")
    proxy.ask("web", "/files/" + "ab" * 32 + "/c2lnbmF0dXI/plan.pdf?download=1", Cookie="__Host-ibhelm_web=keks")
    proxy.ask("web", "/?q=Geheimprojekt", Authorization="Bearer zeichen")
    assert wait_until(lambda: proxy.log.read_text().count("REDACTED") > before + 1, seconds=10)
    written = proxy.log.read_text()
    assert not [
        secret for secret in ("c2lnbmF0dXI", "Geheimprojekt", "keks", "zeichen", proxy.password) if secret in written
    ]
