"""A headless Chromium, driven over its debugging pipe: no port, no library, and it ends with the test.

Pages are asked in JavaScript and waited for: what a test claims is what the page really shows.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_SECONDS = 90
KEYS = {
    "Enter": (13, "\r"),
    "Tab": (9, ""),
    "Escape": (27, ""),
    "ArrowLeft": (37, ""),
    "ArrowUp": (38, ""),
    "ArrowRight": (39, ""),
    "ArrowDown": (40, ""),
}
"""Windows' number of a key, and what it types."""


class Page:
    """One tab."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._write, self._read, self._buffer, self._last = to_browser, from_browser, b"", 0
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                assert "error" not in answer, (method, answer)
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._read, 1 << 20)
            assert piece, "Chromium ended"
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def before_any_script(self, script: str) -> None:
        """Run this in every page before its own scripts."""
        self._call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def ask(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        result = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, script: str, *, seconds: float = PATIENCE_SECONDS) -> Any:
        """Wait until an expression is true, and return it."""
        end = time.monotonic() + seconds
        while not (value := self.ask(script)):
            assert time.monotonic() < end, f"never true: {script}\nThe page says: {self.ask('document.body.innerText')}"
            time.sleep(0.2)
        return value

    def click(self, x: float, y: float, *, count: int = 1) -> None:
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            buttons = {} if kind == "mouseMoved" else {"button": "left", "clickCount": count}
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **buttons)

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key as a keyboard does: a letter is typed, too, and Enter follows a link."""
        code, text = KEYS.get(key, (ord(key[0].upper()), key))
        held = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self._call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **held)
        self._call("Input.dispatchKeyEvent", type="keyUp", **held)

    def type(self, text: str) -> None:
        self._call("Input.insertText", text=text)

    def look(self, *, width: int = 1280, height: int = 800, is_dark: bool = False) -> None:
        """Be a screen of this size, a phone where it is narrow, with the machine set to dark or light."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        preference = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[preference])

    @contextlib.contextmanager
    def offline(self) -> Iterator[None]:
        """Have no network for the length of the block."""
        self._call("Network.enable")
        rates = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self._call("Network.emulateNetworkConditions", offline=True, **rates)
        try:
            yield
        finally:
            self._call("Network.emulateNetworkConditions", offline=False, **rates)

    def allow_scripts(self, *, allowed: bool) -> None:
        """Let pages run their scripts, or not; what a test asks is run nevertheless."""
        self._call("Emulation.setScriptExecutionDisabled", value=not allowed)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))


@contextlib.contextmanager
def open_page(*, width: int = 1280, height: int = 800) -> Iterator[Page]:
    """Start a browser of its own, with a profile of its own."""
    assert CHROMIUM is not None
    profile = Path(tempfile.mkdtemp(prefix="ibhelm-chromium-"))
    commands, answers = os.pipe(), os.pipe()
    # Chromium reads commands from descriptor 3 and answers on 4.
    shell = f'exec 3<&{commands[0]} 4>&{answers[1]}; exec "$@"'
    arguments = [
        CHROMIUM,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--remote-debugging-pipe",
        "--no-first-run",
        "--hide-scrollbars",
        "--lang=de-DE",
        f"--window-size={width},{height}",
        f"--user-data-dir={profile}",
    ]
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", *arguments],
        pass_fds=(commands[0], answers[1]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(commands[0])
    os.close(answers[1])
    try:
        yield Page(commands[1], answers[0])
    finally:
        process.terminate()
        process.wait(30)
        os.close(commands[1])
        os.close(answers[0])
        shutil.rmtree(profile, ignore_errors=True)
