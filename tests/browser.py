"""Chromium without a window, steered over a pipe: a page opened, read, pressed and photographed."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PATIENCE_S = 60
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"),
    "--remote-debugging-pipe",
)


def find_chromium() -> str | None:
    """Give the program, where one is installed."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


class Page:
    """A page in the browser.

    Attributes:
        problems: errors that the page's console told of, and everything that the page loaded from elsewhere.
        home: the beginning of addresses that it may load; "": none.
    """

    def __init__(self, to_browser: int, from_browser: int):
        self.problems: list[str] = []
        self.home = ""
        self._to, self._from = to_browser, from_browser
        self._buffer, self._number, self._session = b"", 0, ""
        self._events: list[str] = []
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        # What a page sends may be megabytes.
        self._call("Network.enable", {"maxPostDataSize": 1000})

    def open(self, path: Path | str) -> None:
        """Open a file, or an address, which may load what lies below it, and wait until it is there."""
        self._events.clear()
        self.home = path if isinstance(path, str) else ""
        self._call("Page.navigate", {"url": path if isinstance(path, str) else path.resolve().as_uri()})
        while "Page.loadEventFired" not in self._events:
            self._read()

    def run(self, script: str) -> Any:
        """Give the value of an expression in the page."""
        reply = self._call("Runtime.evaluate", {"expression": script, "returnByValue": True})
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    def wait(self, script: str) -> None:
        """Wait until an expression in the page is true."""
        ends = time.monotonic() + 20
        while not self.run(script):
            assert time.monotonic() < ends, f"{script} does not come true; {self.problems}"
            time.sleep(0.02)

    def press(self, key: str, *, control: bool = False) -> None:
        """Press a key, such as "Enter", "Tab" or "a"."""
        codes = {"Enter": (13, "\r"), "Tab": (9, ""), " ": (32, " "), "Escape": (27, "")}
        codes |= {"ArrowLeft": (37, ""), "ArrowRight": (39, "")}
        code, text = codes.get(key) or (ord(key.upper()), "" if control else key)
        for kind in ("keyDown", "keyUp"):
            event = {"type": kind, "key": key, "windowsVirtualKeyCode": code, "modifiers": 2 * control}
            self._call("Input.dispatchKeyEvent", event | ({"text": text} if text and kind == "keyDown" else {}))

    def drag(self, *places: tuple[float, float]) -> None:
        """Press the mouse at the first of these places, in pixels of the window, and let it go at the last."""
        kinds = ["mousePressed", *["mouseMoved"] * (len(places) - 1)]
        for kind, (x, y) in zip((*kinds, "mouseReleased"), (*places, places[-1]), strict=True):
            event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": int(kind != "mouseReleased")}
            self._call("Input.dispatchMouseEvent", event | {"clickCount": int(kind != "mouseMoved")})

    def turn(self, x: float, y: float, down: float) -> None:
        """Turn the mouse's wheel at a place."""
        event = {"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": down}
        self._call("Input.dispatchMouseEvent", event)

    def show(self, *, width: int, dark: bool = False, height: int = 900, scale: float = 1) -> None:
        """Set the window's width and the colours that the user prefers."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._call("Emulation.setEmulatedMedia", {"features": features})

    def picture(self, *, whole: bool = False) -> bytes:
        """Photograph the window, or the whole page, as a PNG."""
        reply = self._call("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        return base64.b64decode(reply["data"])

    def print(self) -> bytes:
        """Print as a PDF."""
        return base64.b64decode(self._call("Page.printToPDF", {"printBackground": False})["data"])

    def _call(self, method: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": values or {}}
        message |= {"sessionId": self._session} if self._session else {}
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._to, content) :]
        number = self._number
        while (reply := self._read()).get("id") != number:
            pass
        assert "error" not in reply, (method, reply["error"])
        result: dict[str, Any] = reply["result"]
        return result

    def _read(self) -> dict[str, Any]:
        """Wait for a message; remember what it tells of the page."""
        ends = time.monotonic() + _PATIENCE_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0, ends - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self._from, 1 << 20)
            assert piece, "the browser has ended"
            self._buffer += piece
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, event: str, values: dict[str, Any]) -> None:
        self._events.append(event)
        if event == "Runtime.exceptionThrown":
            self.problems.append(str(values["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning", "assert"):
            self.problems.append(str(values["args"]))
        elif event == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
            self.problems.append(values["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            url = values["request"]["url"]
            is_own = url.startswith("data:") or (self.home and url.startswith(self.home))
            if not is_own and values.get("type") != "Document":
                self.problems.append(f"loads {url}")


@contextmanager
def chromium() -> Iterator[Page]:
    """Start the browser, and end it afterwards."""
    program = find_chromium()
    assert program
    browser_reads, we_write = os.pipe()
    we_read, browser_writes = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The browser reads from 3 and writes to 4.
        redirect = f'exec "$@" 3<&{browser_reads} 4>&{browser_writes}'
        process = subprocess.Popen(
            ["bash", "-c", redirect, "bash", program, *_FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(browser_reads, browser_writes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(browser_reads)
        os.close(browser_writes)
        try:
            yield Page(we_write, we_read)
        finally:
            # The pipe's end is the browser's end.
            os.close(we_write)
            os.close(we_read)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
