"""A headless Chromium that can be driven: a page, a width, keys, and what went wrong on it.

It speaks the browser's own DevTools protocol over a websocket, so it needs no driver beside the
browser; the package websocket-client comes with JupyterLab.
"""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tools.book.build import chromium

CHROMIUM = chromium()
KEYS = {
    **{"Backspace": 8, "Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "Delete": 46},
    **{"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40},
}
SECONDS = 20  # for a page to load


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which this machine serves a folder while the `with` block lasts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class Browser:
    """One tab. `events` are those since the last `open`."""

    def __init__(self, profile: Path) -> None:
        from websocket import create_connection

        options = "--headless --no-sandbox --disable-gpu --no-first-run --remote-debugging-port=0"
        self._process = subprocess.Popen(
            [CHROMIUM, *options.split(), f"--user-data-dir={profile}", "about:blank"],
            stderr=subprocess.DEVNULL,
        )
        told = profile / "DevToolsActivePort"  # the port and the path of the websocket
        while not (told.exists() and len(place := told.read_text("utf-8").split()) == 2):
            assert self._process.poll() is None, "Chromium ended before it could be used"
            time.sleep(0.02)
        address = f"ws://127.0.0.1:{place[0]}{place[1]}"
        self._socket = create_connection(address, timeout=SECONDS, suppress_origin=True)
        self._count, self._session = 0, None
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send("Network.setCacheDisabled", cacheDisabled=True)

    def close(self) -> None:
        """End the browser and everything it started."""
        self._session = None
        self.send("Browser.close")
        self._socket.close()
        self._process.wait(SECONDS)

    def _receive(self) -> dict[str, Any]:
        message = json.loads(self._socket.recv())
        if "method" in message:
            self.events.append(message)
        return message

    def post(self, method: str, **parameters: Any) -> None:
        """Give a command of the protocol, and do not wait for its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command of the protocol and return its result."""
        self.post(method, **parameters)
        while (answer := self._receive()).get("id") != self._count:
            pass
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def resize(self, width: int) -> None:
        """Give the window another width."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)

    def open(self, address: str, width: int = 1280) -> None:
        """Open a page in a window of this width, and wait until all of it has arrived."""
        self.resize(width)
        # By way of an empty page: within one page, another anchor would load nothing.
        for place in ("about:blank", address):
            self.events.clear()
            self.send("Page.navigate", url=place)
            while not any(event["method"] == "Page.loadEventFired" for event in self.events):
                self._receive()

    def run(self, expression: str) -> Any:
        """The value of an expression on the page; a promise is waited for."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, (expression, answer)
        return answer["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until an expression on the page is true."""
        self.run(
            f"new Promise((found, failed) => {{ let left = {20 * SECONDS};"
            f"const look = () => ({condition}) ? found() : left-- ? setTimeout(look, 50)"
            f": failed(new Error('never')); look(); }})"
        )

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        known = {"key": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {"text": " "} if key == " " else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **known, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **known)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.send("Input.insertText", text=text)

    def choose(self, field: str, *paths: Path) -> None:
        """Give files to the field of a form that a selector finds."""
        found = self.send("Runtime.evaluate", expression=f"document.querySelector('{field}')")
        node, files = found["result"]["objectId"], [str(path) for path in paths]
        self.send("DOM.setFileInputFiles", objectId=node, files=files)

    def dark(self, wanted: bool) -> None:
        """Whether the reader's system is set to dark."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if wanted else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def scripts(self, wanted: bool) -> None:
        """Whether pages may run scripts."""
        self.send("Emulation.setScriptExecutionDisabled", value=not wanted)

    def errors(self) -> list[str]:
        """What the console said of mistakes since the page was opened."""
        found = []
        for event in self.events:
            said = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(said["exceptionDetails"].get("exception", {}).get("description")))
            elif event["method"] == "Log.entryAdded" and said["entry"]["level"] == "error":
                found.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")
            elif event["method"] == "Runtime.consoleAPICalled" and said["type"] == "error":
                found.append(str(said["args"]))
        return found

    def requests(self) -> list[str]:
        """The addresses that were asked for since the page was opened."""
        asked = [e for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in asked]

    def weight(self) -> int:
        """Bytes that came since the page was opened."""
        done = [e for e in self.events if e["method"] == "Network.loadingFinished"]
        return sum(int(event["params"]["encodedDataLength"]) for event in done)
