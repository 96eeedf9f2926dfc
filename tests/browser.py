"""A Chromium without a window, by its DevTools protocol over two pipes: what a page looks like, and what it asks for.

The protocol: https://chromedevtools.github.io/devtools-protocol/; over pipes messages end with a zero byte.
"""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
LIMIT = 60.0
"""Seconds for one answer."""
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def program() -> str | None:
    """Return where a Chromium is, None where there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@dataclass
class Browser:
    """One page of a browser."""

    write: int
    read: int
    session: str = ""
    asked: list[str] = field(default_factory=list)
    """The addresses that pages have asked for."""
    complaints: list[str] = field(default_factory=list)
    """What the browser has logged of pages, such as what their policy forbids."""
    _number: int = 0
    _rest: bytes = b""

    def call(self, method: str, **params: object) -> Mapping[str, Any]:
        """Send a command, and return its result; what happens meanwhile is taken note of."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._take(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: Mapping[str, Any] = answer["result"]
        return result

    def show(self, file: Path, *, wide: int, scheme: str = "light", media: str = "screen") -> None:
        """Open a file in a window so wide, in light or dark, for the screen or for print."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=wide,
            height=900,
            deviceScaleFactor=1,
            mobile=wide < 600,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.call("Page.navigate", url=file.as_uri())
        deadline = time.monotonic() + LIMIT
        while self.value("document.readyState + location.href") != f"complete{file.as_uri()}":
            assert time.monotonic() < deadline, f"{file} was not loaded"
            time.sleep(0.02)

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression is; a page's policy says nothing to that."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"]
        return result.get("value")

    def screenshot(self, file: Path, *, most: int = 6000) -> None:
        """Write the whole page as PNG, cut off below so many pixels."""
        tall = min(int(self.value("document.documentElement.scrollHeight")), most)
        wide = int(self.value("window.innerWidth"))
        clip = {"x": 0, "y": 0, "width": wide, "height": tall, "scale": 1}
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(found["data"]))

    def pdf(self) -> bytes:
        """Return the page as it is printed."""
        found = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        return base64.b64decode(found["data"])

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + LIMIT
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self.read], [], [], max(deadline - time.monotonic(), 0))
            chunk = os.read(self.read, 1 << 20) if ready else b""
            if not chunk:
                raise RuntimeError("the browser gave no answer")
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        return found

    def _take(self, event: Mapping[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])
        elif event.get("method") == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start a browser with a profile of its own, and end it."""
    found = program()
    assert found, "there is no Chromium"
    orders, our_orders = os.pipe()
    our_answers, answers = os.pipe()
    # The sandbox needs rights that root in a container does not have; the pages are our own.
    flags = [*_FLAGS, f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    # The browser has the pipes as descriptors 3 and 4.
    script = f'exec 3<&{orders} 4>&{answers}; exec "$0" "$@"'
    process = subprocess.Popen(
        ["/bin/bash", "-c", script, found, *flags, "about:blank"],
        pass_fds=[orders, answers],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(orders)
    os.close(answers)
    made = Browser(our_orders, our_answers)
    try:
        targets = made.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        made.session = made.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            made.call(f"{domain}.enable")
        yield made
    finally:
        made.session = ""
        with contextlib.suppress(OSError, RuntimeError):
            made.call("Browser.close")
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(our_orders)
        os.close(our_answers)
