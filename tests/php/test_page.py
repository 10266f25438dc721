"""index.php in headless Chromium, and without JavaScript."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import time
import urllib.parse

import pytest

pytestmark = pytest.mark.peers

#: Whoever looks from outside may look too late.
NOTE_PROGRESS = """addEventListener("DOMContentLoaded", () => {
    if (document.querySelector("progress")) sessionStorage.progress = "seen";
});"""
FORM = "document.querySelector('form').requestSubmit(document.querySelector('button'))"


class Browser:
    """Chromium by its DevTools pipe: JSON messages that end with a NUL byte."""

    def __init__(self, profile):
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
                   f"--user-data-dir={profile}", "--no-first-run", "about:blank")  # fmt: skip
        self._process = subprocess.Popen(
            [
                "bash",
                "-c",
                f'exec "$@" 3<&{to_browser} 4>&{from_browser}',
                "-",
                "chromium",
                *options,
            ],
            pass_fds=(to_browser, from_browser),
            env={**os.environ, "HOME": str(profile)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._number, self._session, self.faults = b"", 0, {}, []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(each["targetId"] for each in targets if each["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters, **self._session}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next(time.monotonic() + 60)).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self, deadline):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            self._buffer += os.read(self._read, 1 << 16)
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        entry = event.get("params", {}).get("entry", {})
        if event.get("method") == "Runtime.exceptionThrown" or entry.get("level") == "error":
            self.faults.append(event)

    def run(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, expression, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(AssertionError):  # the page is just being replaced
                if self.run(f"!!({expression})"):
                    return
            time.sleep(0.05)
        raise AssertionError(f"never: {expression}; {self.run('document.body.innerText')}")

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.until(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=30)
        os.close(self._read)
        os.close(self._write)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    for name in ("chromium", "bash"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


def type_and_send(browser, site, numbers):
    browser.open(f"http://127.0.0.1:{site.port}/index.php")
    browser.run(f"document.getElementById('accession_numbers').value = {json.dumps(numbers)}")
    browser.run(FORM)


def test_a_person_types_a_number_sees_progress_and_gets_the_disc(real_site, browser):
    real_site.serve()
    browser.faults.clear()
    browser.call("Page.addScriptToEvaluateOnNewDocument", source=NOTE_PROGRESS)
    type_and_send(browser, real_site, "MR.180505.026\n2018:123")
    browser.until("document.querySelector('a.download')")
    assert browser.run("sessionStorage.progress") == "seen"
    assert browser.run("document.querySelector('h1').textContent") == "The disc is ready"
    assert "6 images and documents" in browser.run("document.body.innerText")
    url = browser.run("document.querySelector('a.download').href")
    image = real_site.request("GET", url.split("/", 3)[3])
    shown = browser.run("document.querySelector('code').textContent")
    assert shown == f"SHA-256 {hashlib.sha256(image.body).hexdigest()}"
    assert browser.faults == []


def test_progress_moves_by_itself_until_the_end(site, browser):
    site.configure()
    site.serve()
    browser.faults.clear()
    type_and_send(browser, site, "SLOW6")
    browser.until("document.getElementById('text').textContent === 'Fetching the images: 3 of 12'")
    assert browser.run("document.getElementById('part').value") == 0.25
    browser.until("document.title.startsWith('Fetching the images: 3 of 12')")
    assert "Another run uses the port." in browser.run("document.body.innerText")
    browser.until("document.querySelector('h1').textContent === 'The disc is ready'")
    assert browser.faults == []


@pytest.mark.parametrize(("code", "again"), [(66, True), (75, True), (82, False)])
def test_a_failure_shows_its_reason_and_what_to_do(site, browser, code, again):
    site.configure()
    site.serve()
    type_and_send(browser, site, f"CODE{code}")
    browser.until("document.querySelector('.reason')")
    shown = browser.run("document.body.innerText")
    assert "There is no disc" in shown
    assert f"The stub says {code}." in shown
    assert f"Code {code}" in shown
    assert browser.run("!!document.querySelector('button')") is again


def test_the_button_after_a_failure_asks_for_the_same_again(site, browser):
    site.configure()
    site.serve()
    type_and_send(browser, site, "CODE75, A1")
    browser.until("document.querySelector('.reason')")
    first = browser.run("location.href")
    change = "[...document.links].find(a => a.textContent === 'Change the request').href"
    assert browser.run(change).endswith(
        "?accession_numbers%5B0%5D=CODE75&accession_numbers%5B1%5D=A1"
    )
    browser.run(FORM)
    browser.until(f"location.href !== {json.dumps(first)} && document.querySelector('.reason')")
    asked = [json.loads((f / "request.json").read_text()) for f in site.job_folders()]
    assert [each["accessions"] for each in asked] == [["CODE75", "A1"]] * 2


EVIL = "\"><script>document.title='evil'</script><img src=x onerror=\"document.title='evil'\">"


def test_what_a_visitor_types_is_text_on_the_page(site, browser):
    site.configure()
    site.serve()
    query = urllib.parse.quote(EVIL)
    browser.open(
        f"http://127.0.0.1:{site.port}/index.php?accession_number={query}&modality={query}"
    )
    assert browser.run("document.getElementById('accession_numbers').value") == EVIL
    assert site.job_folders() == []  # a link fills the form and starts nothing
    browser.run(FORM)
    browser.until("document.querySelector('h1').textContent !== 'Make a patient disc'")
    browser.until("document.querySelector('.numbers')")
    assert EVIL in browser.run("document.body.textContent")
    assert "evil" not in browser.run("document.title").replace(EVIL, "")
    assert browser.run("document.querySelectorAll('img').length") == 0


def test_the_page_works_without_javascript(site):
    site.configure()
    site.serve()
    answer = site.post("index.php", {"accession_numbers": "SLOW1"})
    assert answer.status == 303
    job = answer.headers["Location"]
    assert re.fullmatch(r"index\.php\?job=[0-9a-f]{32}", job)
    page = site.request("GET", job)
    assert f'<noscript><p><a href="{job}">' in page.body.decode()
    site.wait(job.split("=")[1])
    assert "<h1>The disc is ready</h1>" in site.request("GET", job).body.decode()


def test_an_incomplete_disc_is_shown_as_one(site):
    site.configure()
    folder = site.jobs / ("a" * 32)
    (folder / "discs").mkdir(parents=True)
    (folder / "request.json").write_text('{"accessions":["A1"]}')
    disc = {"path": str(folder / "discs" / "A1.INCOMPLETE.iso"), "size_bytes": 5, "instances": 3}
    disc.update(sha256="0" * 64, number=1, of=1, complete=False)
    report = {"code": 80, "message": "2 of 5 instances did not arrive.", "discs": [disc]}
    (folder / "report.json").write_text(json.dumps(report))
    site.serve()
    page = site.get("index.php", {"job": folder.name}).body.decode()
    assert "There is a disc, but look at this first" in page
    assert "INCOMPLETE, 3 images and documents" in page
