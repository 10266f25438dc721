"""A small WebDriver client (W3C WebDriver) over urllib: headless Chromium through chromedriver."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

from ports import free_port

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class ScriptError(AssertionError):
    """A script of the test failed in the page, or a wait in it ended without success."""


def missing_programs() -> list[str]:
    """Return the programs that a browser test needs and that are not installed."""
    return [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


class Driver:
    """chromedriver, one process for all browsers of a test run."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._log = (folder / "chromedriver.log").open("wb")
        # A job in this process points TMPDIR to its work folder, which is gone by now
        environ = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
        self._process = subprocess.Popen(
            ["chromedriver", f"--port={self.port}"],
            env=environ,
            stdout=self._log,
            stderr=self._log,
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > deadline:
                raise AssertionError("chromedriver does not answer")
            time.sleep(0.05)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(call(self.port, "GET", "/status"))
        return False

    def close(self) -> None:
        self._process.kill()
        self._process.wait(timeout=30)
        self._log.close()


def call(port: int, method: str, path: str, body: dict | None = None):
    """Send one command and return its value."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=150) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        value = json.load(error)["value"]
        raise ScriptError(f"{value['error']}: {value['message'][:2000]}") from None


class Browser:
    """One headless Chromium with a window of the given size."""

    def __init__(
        self,
        driver: Driver,
        profile: Path,
        width: int = 1280,
        height: int = 800,
        *,
        touch: bool = False,
        arguments: tuple[str, ...] = (),
        downloads: Path | None = None,
        trace: str = "",
    ) -> None:
        options = {
            "binary": shutil.which("chromium"),
            "args": [
                "--headless=new",
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--hide-scrollbars",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-extensions",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                *arguments,
            ],
        }
        if downloads is not None:
            options["prefs"] = {"download.default_directory": str(downloads)}
        if trace:
            options["perfLoggingPrefs"] = {"traceCategories": trace}
        if touch:
            options["mobileEmulation"] = {
                "deviceMetrics": {"width": width, "height": height, "pixelRatio": 2, "touch": True}
            }
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "timeouts": {"script": 100000, "pageLoad": 100000},
        }
        self._port = driver.port
        body = {"capabilities": {"alwaysMatch": wanted}}
        self._session = call(self._port, "POST", "/session", body)["sessionId"]
        if not touch:
            self._size(width, height)

    def _size(self, width: int, height: int) -> None:
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def _do(self, method: str, path: str, body: dict | None = None):
        return call(self._port, method, f"/session/{self._session}{path}", body)

    def open(self, address: str) -> None:
        self._do("POST", "/url", {"url": address})

    def run(self, script: str, *arguments):
        """Run the body of a function in the page and return what it returns."""
        return self._do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait_for(self, expression: str, *arguments, seconds: float = 60):
        """Return the first truthy value of an expression of the page; promises are awaited."""
        script = f"""
            const given = Array.from(arguments), done = given.pop();
            const end = performance.now() + {seconds * 1000:.0f};
            const look = function () {{ return ({expression}); }};
            (async function again() {{
                try {{
                    const value = await look.apply(null, given);
                    if (value) return done(typeof value === "object" ? true : value);
                    if (performance.now() > end) return done({{ timedOut: true }});
                    setTimeout(again, 15);
                }} catch (error) {{ done({{ failed: String(error && error.stack || error) }}); }}
            }})();
        """
        found = self._do("POST", "/execute/async", {"script": script, "args": list(arguments)})
        if isinstance(found, dict) and found.get("timedOut"):
            raise ScriptError(f"not within {seconds} s: {expression}")
        if isinstance(found, dict) and found.get("failed"):
            raise ScriptError(found["failed"])
        return found

    def eval(self, body: str, *arguments):
        """Run the body of an async function in the page and return what it returns."""
        script = f"""
            const given = Array.from(arguments), done = given.pop();
            (async function () {{ {body} }}).apply(null, given)
                .then(value => done({{ value: value === undefined ? null : value }}),
                      error => done({{ failed: String(error && error.stack || error) }}));
        """
        found = self._do("POST", "/execute/async", {"script": script, "args": list(arguments)})
        if "failed" in found:
            raise ScriptError(found["failed"])
        return found["value"]

    def devtools(self, command: str, **parameters):
        return self._do("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._do("GET", "/screenshot")))

    def log(self, kind: str = "browser") -> list[dict]:
        """Return and forget what was logged: `browser` (console) or `performance` (network)."""
        return self._do("POST", "/se/log", {"type": kind})

    def keys(self, *names: str) -> None:
        """Press keys one after the other, `Shift+ArrowUp` together."""
        actions = []
        for name in names:
            parts = name.split("+") if len(name) > 1 else [name]
            codes = [KEYS.get(part, part) for part in parts]
            actions += [{"type": "keyDown", "value": code} for code in codes]
            actions += [{"type": "keyUp", "value": code} for code in reversed(codes)]
        self._actions({"type": "key", "id": "keys", "actions": actions})

    def drag(
        self,
        *points: tuple[float, float],
        button: int = 0,
        kind: str = "mouse",
        release: bool = True,
    ) -> None:
        """Press at the first point, go through the others, let go."""
        moves = [
            {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0} for x, y in points
        ]
        actions = [moves[0], {"type": "pointerDown", "button": button}, *moves[1:]]
        if release:
            actions.append({"type": "pointerUp", "button": button})
        self._actions(
            {"type": "pointer", "id": kind, "parameters": {"pointerType": kind}, "actions": actions}
        )

    def fingers(self, *ways: list[tuple[float, float]]) -> None:
        """Move several fingers at once, each along its points."""
        self._actions(
            *[
                {
                    "type": "pointer",
                    "id": f"finger{number}",
                    "parameters": {"pointerType": "touch"},
                    "actions": [
                        {
                            "type": "pointerMove",
                            "x": round(way[0][0]),
                            "y": round(way[0][1]),
                            "duration": 0,
                        },
                        {"type": "pointerDown", "button": 0},
                        *[
                            {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 20}
                            for x, y in way[1:]
                        ],
                        {"type": "pointerUp", "button": 0},
                    ],
                }
                for number, way in enumerate(ways)
            ]
        )

    def move(self, x: float, y: float) -> None:
        step = {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0}
        self._actions(
            {
                "type": "pointer",
                "id": "mouse",
                "parameters": {"pointerType": "mouse"},
                "actions": [step],
            }
        )

    def wheel(self, x: float, y: float, delta: int, times: int = 1) -> None:
        step = {
            "type": "scroll",
            "x": round(x),
            "y": round(y),
            "deltaX": 0,
            "deltaY": delta,
            "duration": 0,
            "origin": "viewport",
        }
        self._actions({"type": "wheel", "id": "wheel", "actions": [step] * times})

    def _actions(self, *sources: dict) -> None:
        self._do("POST", "/actions", {"actions": list(sources)})

    def close(self) -> None:
        self._do("DELETE", "")


# WebDriver 17.4.2, Keyboard Actions: the code points of keys that are no character.
KEYS = {
    "Backspace": "\ue003",
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Shift": "\ue008",
    "Control": "\ue009",
    "Alt": "\ue00a",
    "Escape": "\ue00c",
    "Space": " ",
    "PageUp": "\ue00e",
    "PageDown": "\ue00f",
    "End": "\ue010",
    "Home": "\ue011",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
    "Delete": "\ue017",
    "F1": "\ue031",
}
