"""A headless Chromium, driven over the DevTools protocol through a pipe: no driver program, no port."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time


class Browser:
    """One page. `messages` gathers what the console and the runtime complain about."""

    def __init__(self, timeout=60):
        program = shutil.which("chromium")
        if program is None:
            raise FileNotFoundError("chromium is missing: scripts/setup.sh test")
        self.timeout = timeout
        self.folder = tempfile.mkdtemp(prefix="flense-chromium-")
        to_child, self._to = os.pipe()
        self._from, from_child = os.pipe()

        def pipes():  # The protocol wants its two ends as descriptors 3 and 4.
            read, write = os.dup(to_child), os.dup(from_child)
            os.dup2(read, 3)
            os.dup2(write, 4)
        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
             "--remote-debugging-pipe", f"--user-data-dir={self.folder}", "about:blank"],
            preexec_fn=pipes, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "HOME": self.folder}, start_new_session=True)
        os.close(to_child)
        os.close(from_child)
        self._number, self._rest, self.messages, self.requests = 0, b"", [], []
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def close(self):
        with contextlib.suppress(OSError, ValueError):
            os.write(self._to, json.dumps({"id": 0, "method": "Browser.close"}).encode() + b"\0")
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._to)
        os.close(self._from)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _receive(self):
        while b"\0" not in self._rest:
            block = os.read(self._from, 1 << 20)
            if not block:
                raise RuntimeError("chromium ended")
            self._rest += block
        text, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(text)
        method, values = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = values["exceptionDetails"]
            self.messages.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning", "assert"):
            self.messages.append(json.dumps(values["args"]))
        elif method == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
            self.messages.append(values["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        return message

    def _send(self, method, session=None, **values):
        self._number += 1
        message = {"id": self._number, "method": method, "params": values}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def call(self, method, **values):
        return self._send(method, self._session, **values)

    def run(self, script):
        """The value of an expression, or of the promise that it is."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"].get("exception", {}).get("description", "exception"))
        return result["result"].get("value")

    def until(self, script, what):
        end = time.monotonic() + self.timeout
        while not self.run(script):
            if time.monotonic() > end:
                raise RuntimeError(f"waited in vain for {what}")
            time.sleep(0.02)

    def look(self, width, height, scheme="light", reduced=True):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce" if reduced else "no-preference"}])

    def open(self, path):
        """Opens a report; seconds from the start of the navigation until it is drawn."""
        self.messages.clear()
        self.requests.clear()
        self.call("Page.navigate", url="file://" + os.path.abspath(path))
        self.until("document.documentElement?.dataset.ready !== undefined", "the report")
        # The second frame comes after the first was painted.
        return self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => "
                        "done(performance.now() / 1000))))")

    def processor_time(self):
        """Seconds that the page's process has computed so far."""
        self.call("Performance.enable")
        return {one["name"]: one["value"] for one in self.call("Performance.getMetrics")["metrics"]}["ProcessTime"]

    def press(self, key, text=None):
        code = {" ": "Space"}.get(key, key)
        number = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9,
                  "Home": 36, " ": 32, "/": 191}.get(key, 0)
        values = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        if key == "Enter":
            text = "\r"
        if text:
            values["text"] = text
        self.call("Input.dispatchKeyEvent", type="keyDown", **values)
        self.call("Input.dispatchKeyEvent", type="keyUp", **{k: v for k, v in values.items() if k != "text"})

    def type(self, text):
        self.call("Input.insertText", text=text)

    def click(self, selector):
        place = self.run(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
                         "e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect(); "
                         "return [r.left + Math.min(r.width / 2, 20), r.top + Math.min(r.height / 2, 8)]; })()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def point(self, selector):
        place = self.run(f"(() => {{ const r = document.querySelector({json.dumps(selector)}).getBoundingClientRect(); "
                         "return [r.left + Math.min(r.width / 2, 20), r.top + Math.min(r.height / 2, 8)]; })()")
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])

    def screenshot(self, path, whole=False):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        with open(path, "wb") as out:
            out.write(base64.b64decode(data))
