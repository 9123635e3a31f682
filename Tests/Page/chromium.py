"""Drives a headless Chromium over the DevTools protocol, through the pipe that it offers: nothing but Python is needed."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Seconds for the browser to answer one command, and for a condition to come true.
ANSWER_LIMIT = 30
PATIENCE = 20


class BrowserFailure(Exception):
    """The browser did not do what was asked."""


def find():
    """The browser's path; None when there is none."""
    return os.environ.get("MX_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One browser process with a profile of its own; ends with the block."""

    def __init__(self, program):
        self.program = program

    def __enter__(self):
        self.profile = tempfile.mkdtemp(prefix="mxb")
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()

        def connect():
            # The browser reads on descriptor 3 and writes on 4.
            reader, writer = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(reader, 3)
            os.dup2(writer, 4)

        # The preparation runs between fork and exec, so the descriptors must survive that far.
        self.process = subprocess.Popen(
            [self.program, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self.profile}",
             "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-extensions", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             *(["--no-sandbox"] if os.geteuid() == 0 else []), "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=connect,
            close_fds=False)
        os.close(theirs_in)
        os.close(theirs_out)
        self.input, self.output = os.fdopen(ours_in, "rb"), os.fdopen(ours_out, "wb")
        self.answers, self.listeners = {}, {}
        self.arrived, self.next_id = threading.Condition(), 0
        self.is_over = False
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.output.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def ask(self, method, session=None, **parameters):
        with self.arrived:
            self.next_id += 1
            number = self.next_id
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self.output.write(json.dumps(message).encode() + b"\0")
        self.output.flush()
        with self.arrived:
            if not self.arrived.wait_for(lambda: number in self.answers or self.is_over, ANSWER_LIMIT):
                raise BrowserFailure(f"{method}: no answer in {ANSWER_LIMIT} s")
            answer = self.answers.pop(number, {"error": {"message": "the browser ended"}})
        if "error" in answer:
            raise BrowserFailure(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open(self, **options):
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Page(self, target, session, **options)

    def _read(self):
        rest = b""
        while piece := self.input.read1(1 << 20):
            *messages, rest = (rest + piece).split(b"\0")
            for message in map(json.loads, messages):
                with self.arrived:
                    if "id" in message:
                        self.answers[message["id"]] = message
                    elif listener := self.listeners.get(message.get("sessionId")):
                        listener(message["method"], message["params"])
                    self.arrived.notify_all()
        with self.arrived:
            self.is_over = True
            self.arrived.notify_all()


# Sums up layout shifts that no input caused.
SHIFTS = """
window.shifts = 0;
new PerformanceObserver(list => {
  for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifts += shift.value;
}).observe({ type: "layout-shift", buffered: true });
"""


class Page:
    """One tab: what it asked the network for, what it complained of, and what can be done with it."""

    def __init__(self, browser, target, session, width=1280, height=900, dark=False, still=False):
        self.browser, self.target, self.session = browser, target, session
        self.requests, self.complaints = [], []
        browser.listeners[session] = self._heard
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.resize(width, height)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        if still:
            features.append({"name": "prefers-reduced-motion", "value": "reduce"})
        self.ask("Emulation.setEmulatedMedia", features=features)
        self.ask("Page.addScriptToEvaluateOnNewDocument", source=SHIFTS)

    def ask(self, method, **parameters):
        return self.browser.ask(method, self.session, **parameters)

    def close(self):
        self.browser.ask("Target.closeTarget", targetId=self.target)

    def resize(self, width, height):
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    def go(self, url):
        self.ask("Page.navigate", url=url)

    def run(self, script):
        """The value of an expression; a promise is awaited."""
        done = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            details = done["exceptionDetails"]
            raise BrowserFailure(details.get("exception", {}).get("description", details["text"]))
        return done["result"].get("value")

    def until(self, what, script, limit=PATIENCE):
        """Waits until the expression is true, and returns its value."""
        end = time.monotonic() + limit
        while True:
            value = self.run(script)
            if value:
                return value
            if time.monotonic() > end:
                raise BrowserFailure(f"{what}: not within {limit} s")
            time.sleep(0.05)

    def press(self, key, code=0, text=""):
        """One key; `code` is its Windows code, which Chromium goes by."""
        common = {"key": key, "windowsVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text):
        self.ask("Input.insertText", text=text)

    def screenshot(self, path, whole=True):
        if whole:
            height = self.run("document.documentElement.scrollHeight")
            width = self.run("innerWidth")
            clip = {"x": 0, "y": 0, "width": width, "height": min(height, 6000), "scale": 1}
            shot = self.ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        else:
            shot = self.ask("Page.captureScreenshot", format="png")
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def _heard(self, method, event):
        if method == "Network.requestWillBeSent":
            self.requests.append(event["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(value.get("value")) for value in event["args"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{event['entry']['text']} {event['entry'].get('url', '')}".strip())
