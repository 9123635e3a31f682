"""The page of the mesh in a headless browser: against a large mesh that is made up, and against a real server with sidecars."""

import argparse
import json
import os
import socket
import sys
import threading
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Faults"))

from chromium import Browser, BrowserFailure, find  # noqa: E402
from fake_server import FakeServer, Mesh  # noqa: E402
from harness.cluster import Cluster  # noqa: E402
from harness.outcome import Outcome, skip, tell  # noqa: E402

LARGE = 4000
# Milliseconds of the page's own thread for one look at a large mesh; machines that run tests are slow and shared.
LOOK_LIMIT = 250
# Sums of layout shifts up to here count as good (web.dev/cls).
SHIFT_LIMIT = 0.1
SHOWN = "document.readyState === 'complete' && !document.getElementById('main').hidden"


class Checks:
    """Opens pages, and looks at the end of each whether it behaved."""

    def __init__(self, browser, outcome, pictures):
        self.browser, self.outcome, self.pictures = browser, outcome, pictures

    def open(self, url, **options):
        page = self.browser.open(**options)
        page.go(url)
        page.until("the page shows the mesh", SHOWN)
        return page

    def close(self, page, name, url, allowed=()):
        """Nothing was complained of, nobody else was asked, nothing jumped about, nothing is cut off to the right."""
        complaints = [text for text in page.complaints if not any(word in text for word in allowed)]
        elsewhere = [asked for asked in page.requests if not asked.startswith(url)]
        shifts, width = page.run("window.shifts"), page.run("document.documentElement.scrollWidth - innerWidth")
        self.outcome.check(f"{name}: no complaint of the browser", complaints)
        self.outcome.check(f"{name}: no request to anybody else", elsewhere)
        self.outcome.check(f"{name}: nothing jumps about", [f"shifts {shifts:.3f}"] if shifts > SHIFT_LIMIT else [])
        self.outcome.check(f"{name}: no scrolling sideways", [f"{width} pixels too wide"] if width > 0 else [])
        if self.pictures:
            page.screenshot(f"{self.pictures}/{name.replace(' ', '-')}.png")
        page.close()

    def expect(self, page, name, expectations):
        """`expectations` are pairs of a JavaScript expression and the value that it shall have in the end."""
        problems = []
        for script, wanted in expectations:
            try:
                page.until(script, f"JSON.stringify({script}) === {js(js(wanted))}")
            except BrowserFailure:
                problems.append(f"{script} is {page.run(script)!r}, not {wanted!r}")
        self.outcome.check(name, problems)


def js(value):
    """As JavaScript's own JSON.stringify writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def text(selector):
    return f"document.querySelector({js(selector)})?.textContent"


def texts(selector):
    return f"[...document.querySelectorAll({js(selector)})].filter(node => node.checkVisibility()).map(node => node.textContent)"


# MARK: Against what is made up


def large(checks):
    mesh = Mesh(peers=LARGE, models=40)
    fake = FakeServer(mesh)
    page = checks.open(fake.url)
    rows = f"{texts('#peers tbody tr')}.length"
    checks.expect(page, "a large mesh is counted, and shown page by page", [
        (text("#state .word"), "ok"), (text("#peers-figure"), "4,000"), (text("#peers .count"), "4,000"), (rows, 15),
        (text("#peers .position"), "1–15 of 4,000"), (text("#models .count"), "40"),
        ("document.querySelectorAll('*').length < 2500", True)])
    page.run("document.querySelector('#peers [aria-label=\"Last page\"]').click()")
    checks.expect(page, "the last page is reached, and there is none behind it", [
        (text("#peers .position"), "3,991–4,000 of 4,000"), (rows, 10),
        ("document.querySelector('#peers [aria-label=\"Next page\"]').disabled", True)])
    page.run("document.querySelector('#peers th.narrow button').click()")
    checks.expect(page, "a click on a head sorts, the most first", [
        (text("#peers .position"), "1–15 of 4,000"), (text("#peers tbody tr td:nth-child(6)"), "2/2"),
        ("document.querySelector('#peers th.narrow').ariaSort", "descending")])
    page.run("document.querySelector('#peers input').focus()")
    page.type("rack-c 00042")
    checks.expect(page, "a filter finds what holds all its words", [
        (text("#peers .count"), "1 of 4,000"), (texts("#peers tbody td:first-child"), ["vllm-42-00042"])])
    page.run("document.querySelector('#models tbody button').click()")
    checks.expect(page, "a model leads to its sources", [
        ("document.querySelector('#sources input').value", "team/deepseek-v3"),
        ("document.activeElement === document.querySelector('#sources input')", True),
        (texts("#sources tbody tr:first-child td:first-child"), ["team/deepseek-v3"])])
    fresh = checks.open(fake.url)
    cost = fresh.run("(async () => { const feed = await import('/page/summary.js'); const look = await (await fetch("
                     "'api/v1/overview?peers_limit=15')).json(); const start = performance.now(); for (let i = 0; i < 5; i++)"
                     " { feed.showPlots(look); feed.showCards(look); feed.showTransfers(look.transfers, look.server.time); }"
                     " return (performance.now() - start) / 5; })()")
    tell(f"one look at {LARGE} peers: {max(fake.sizes)} bytes of JSON, {cost:.0f} ms to show")
    checks.outcome.check("a look is shown quickly", [f"{cost:.0f} ms"] if cost > LOOK_LIMIT else [])
    fresh.close()
    checks.close(page, "a large mesh", fake.url)
    fake.stop()


def hostile(checks):
    fake = FakeServer(Mesh(peers=15, models=12, hostile=True))
    page = checks.open(fake.url)
    names = texts("#peers tbody td:first-child bdi")
    checks.expect(page, "hostile names are text", [
        (f"{names}.includes('<script>window.hacked=1</script>')", True),
        (f"{names}.includes('\\\\u{{202e}}gnp.evil\\\\u{{202c}} plain')", True),
        (f"{names}.includes('a\\\\u{{0}}b\\\\u{{7}}c\\\\u{{1b}}[31mred\\\\u{{85}}\\\\u{{200b}}\\\\u{{2028}}end')", True),
        (f"{names}.includes('W'.repeat(1024))", True), (f"{names}.includes('(no name)')", True),
        ("window.hacked === undefined", True),
        ("document.querySelectorAll('main script, main img, main iframe, main object').length", 0),
        ("/[\\u0000-\\u0008\\u202a-\\u202e\\u2066-\\u2069]/.test(document.body.innerText)", False)])
    height = "Math.max(...[...document.querySelectorAll('#peers tbody tr')].map(row => row.offsetHeight)) <= 40"
    checks.expect(page, "no name makes its row higher or changes the direction of others", [
        (height, True), ("[...document.querySelectorAll('td bdi')].every(node => "
                         "getComputedStyle(node).unicodeBidi === 'isolate')", True)])
    page.run("[...document.querySelectorAll('#peers td button')].find(node => node.textContent.startsWith('WWW')).click()")
    checks.expect(page, "a name of a thousand characters fits into the dialog", [
        ("document.getElementById('details').open", True),
        ("document.getElementById('details').scrollWidth <= document.getElementById('details').clientWidth", True)])
    page.press("Escape", 27)
    checks.close(page, "hostile names", fake.url)
    fake.stop()


def keyboard(checks):
    fake = FakeServer(Mesh(peers=60))
    page = checks.open(fake.url)
    seen = []
    for _ in range(60):
        page.press("Tab", 9)
        seen.append(page.run("(document.activeElement.id || document.activeElement.placeholder || "
                             "document.activeElement.ariaLabel || document.activeElement.textContent).trim()"))
    wanted = ["Skip to transfers", "rate-plot", "slots-plot", "peers-plot", "model, revision, stage", "Next page"]
    checks.outcome.check("the tabulator reaches all that can be used", [
        f"it does not reach {name}" for name in wanted if name not in seen])
    page.run("document.getElementById('slots-plot').focus()")
    page.press("ArrowLeft", 37)
    checks.expect(page, "arrow keys read a plot", [
        (f"/^\\d\\d:\\d\\d:\\d\\d: \\d+ of 118$/.test({text('#slots-aside')})", True)])
    page.run("document.querySelector('#peers tbody button').focus()")
    page.press("Enter", 13, "\r")
    checks.expect(page, "Enter opens the details of a peer, with its full id", [
        ("document.getElementById('details').open", True),
        ("/^[0-9a-f]{64}$/.test(document.querySelector('#details-facts dd').textContent)", True)])
    page.press("Escape", 27)
    checks.expect(page, "Escape closes them, and gives the focus back", [
        ("document.getElementById('details').open", False),
        ("document.activeElement === document.querySelector('#peers tbody button')", True)])
    checks.close(page, "keyboard", fake.url)
    fake.stop()


# Text and what it stands on must differ by so much (WCAG 2, AA).
CONTRAST = """(() => {
  const parse = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = node => { for (; node; node = node.parentElement) { const c = parse(getComputedStyle(node).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const faint = new Set();
  for (const node of document.querySelectorAll('body *')) {
    if (![...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()) || !node.checkVisibility() || node.disabled) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.add(`${node.tagName}.${node.className}: ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
  }
  return [...faint];
})()"""


CUT = """[...document.querySelectorAll('tbody tr, td, .facts dd')].filter(node => node.checkVisibility()
  && node.scrollHeight > node.clientHeight + 1).map(node => `${node.tagName} ${node.textContent.slice(0, 40)}`)"""


def looks(checks):
    for name, width, dark in (("phone light", 360, False), ("phone dark", 360, True), ("desk dark", 1280, True),
                              ("tablet light", 800, False)):
        mesh = Mesh(peers=200, hostile=width == 360)
        mesh.state, mesh.store = "degraded", "connection refused"
        mesh.reasons = ["The store can't be reached, so the server serves from memory: connection refused."]
        fake = FakeServer(mesh)
        page = checks.open(fake.url, width=width, height=740, dark=dark)
        ground = "getComputedStyle(document.body).backgroundColor"
        checks.expect(page, f"{name}: the scheme and the state are shown", [
            (ground, "rgb(14, 19, 25)" if dark else "rgb(243, 245, 248)"),
            (text("#state"), "▲ degraded"), (texts("#reasons li"), mesh.reasons)])
        checks.outcome.check(f"{name}: all text stands out", page.run(CONTRAST))
        checks.outcome.check(f"{name}: no cell is cut off below", page.run(CUT))
        checks.close(page, name, fake.url)
        fake.stop()


def states(checks):
    for word, mark in (("warming", "◐"), ("draining", "■")):
        mesh = Mesh(peers=20)
        mesh.state, mesh.reasons = word, [f"The server is {word}: a reason."]
        fake = FakeServer(mesh)
        page = checks.open(fake.url)
        checks.expect(page, f"a server that is {word} says so, and why", [
            (text("#state"), f"{mark} {word}"), (texts("#reasons li"), mesh.reasons)])
        checks.close(page, f"a server that is {word}", fake.url)
        fake.stop()


def away(checks):
    fake = FakeServer(Mesh(peers=20))
    page = checks.open(fake.url)
    fake.stop()
    checks.expect(page, "a server that goes away is told of, with the time", [
        (text("#state .word"), "no answer"),
        (f"/^No answer since \\d\\d:\\d\\d:\\d\\d \\(\\d+ s\\)/.test({text('#contact')})", True),
        (text("#peers-figure"), "20")])
    if checks.pictures:
        page.screenshot(f"{checks.pictures}/away.png", whole=False)
    mesh = Mesh(peers=21)
    again = FakeServer(mesh, port=fake.port)
    checks.expect(page, "when it is back the page goes on by itself", [
        (text("#state .word"), "ok"), (text("#contact"), "live from server-0"), (text("#peers-figure"), "21")])
    checks.close(page, "a server that was away", fake.url, allowed=("ERR_CONNECTION", "ERR_EMPTY_RESPONSE"))
    again.stop()


# MARK: Against a real server


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def real(checks, programs):
    with Cluster(programs) as cluster:
        port = free_port()
        server = cluster.start_server(http_port=port)
        server.await_start()
        sidecars = [
            cluster.start_sidecar(
                f"replica-{index}", [server.bootstrap], wrapper=["env", "MX_RATE_LIMIT=10MB"],
                serve=f"team/tiny={cluster.model}" if index < 2 else None)
            for index in range(3)]
        for sidecar in sidecars:
            sidecar.await_start()
        url = f"http://127.0.0.1:{port}/"
        page = checks.open(url)
        checks.expect(page, "a real mesh is shown", [
            (text("#state .word"), "ok"), (text("#contact"), "live from server"), (text("#peers-figure"), "4"),
            (texts("#peers tbody td:first-child"), ["replica-0", "replica-1", "replica-2", "server"]),
            (texts("#models tbody td:first-child"), ["team/tiny"]), (texts("#models tbody td:nth-child(6)"), ["2"]),
            (texts("#sources tbody td:nth-child(3)"), ["replica-0", "replica-1"]), 
            ("/^(Not there|Port \\d+: no worker)/.test(" + text("#pool") + ")", True)])
        sidecars[2].local.ask("pull", path=f"{cluster.folder}/copy", model="team/tiny")
        checks.expect(page, "a pull makes a third source", [
            (texts("#models tbody td:nth-child(6)"), ["3"]),
            (texts("#sources tbody td:nth-child(3)"), ["replica-0", "replica-1", "replica-2"])])
        slow_pull(checks, cluster, sidecars[0], sidecars[2], page)
        sidecars[1].kill()
        checks.expect(page, "a peer that dies leaves the page", [
            (texts("#peers tbody td:first-child"), ["replica-0", "replica-2", "server"])])
        conditional(checks, url)
        server.kill()
        checks.expect(page, "the server's death is told", [(text("#state .word"), "no answer")])
        checks.close(page, "a real server", url, allowed=("ERR_CONNECTION", "ERR_EMPTY_RESPONSE"))


def slow_pull(checks, cluster, source, target, page):
    """A transfer that takes some seconds is seen on its way, and afterwards."""
    source.local.ask("serve", path=write_large_model(f"{cluster.folder}/large"), model="team/large")
    page.until("the large model", f"{texts('#models tbody td:first-child')}.includes('team/large')")
    puller = threading.Thread(
        target=lambda: target.local.ask("pull", path=f"{cluster.folder}/large-copy", model="team/large"))
    puller.start()
    checks.expect(page, "a transfer is seen in flight", [
        (texts("#flight .who"), ["replica-2 ← team/large"]), (text("#flight .word"), "partial"),
        (f"/^[0-7]\\/8$/.test({text('#flight .number')})", True),
        (f"/ MB\\/s$/.test({text('#rate-figure')})", True)])
    puller.join()
    checks.expect(page, "and afterwards among those that ended", [
        (text("#flight-count"), "0"), (texts("#ended .who"), ["replica-2 ← team/large"]),
        (text("#ended .word"), "complete"), (text("#ended .number"), "8/8")])


def write_large_model(folder):
    """A checkpoint of 96 MiB: many chunks, so that its coverage grows in steps."""
    os.makedirs(folder)
    size = 96 << 20
    header = json.dumps({"weight": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    with open(f"{folder}/model.safetensors", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size)
    return folder


def conditional(checks, url):
    """What was not changed is not sent again."""
    with urllib.request.urlopen(f"{url}page/main.js") as answer:
        tag = answer.headers["ETag"]
    try:
        urllib.request.urlopen(urllib.request.Request(f"{url}page/main.js", headers={"If-None-Match": tag}))
        problems = ["it was sent again"]
    except urllib.error.HTTPError as error:
        problems = [] if error.code == 304 else [f"status {error.code}"]
    checks.outcome.check("a file that a browser has is not sent again", problems)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", help="folder of the built programs; without it only the made up mesh is looked at")
    parser.add_argument("--pictures", help="folder for screenshots")
    chosen = parser.parse_args()
    program = find()
    if not program:
        skip("there is no Chromium; `apt-get install chromium` brings one, MX_CHROMIUM names another")
    if chosen.pictures:
        os.makedirs(chosen.pictures, exist_ok=True)
    outcome = Outcome()
    with Browser(program) as browser:
        checks = Checks(browser, outcome, chosen.pictures)
        for test in (large, hostile, keyboard, looks, states, away):
            guarded(outcome, test.__name__, lambda: test(checks))
        if chosen.programs:
            guarded(outcome, "real", lambda: real(checks, chosen.programs))
        else:
            tell("skipped: the real server, for there are no built programs")
    outcome.finish()


def guarded(outcome, name, body):
    """A test that breaks off fails, and the next ones are run all the same."""
    try:
        body()
    except Exception as error:  # noqa: BLE001
        outcome.check(f"{name} runs to its end", [f"{type(error).__name__}: {error}"])


if __name__ == "__main__":
    main()
