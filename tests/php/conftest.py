"""A site of the shim: its own copy of the pages, settings, a PHP web server, an archive behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import peers
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from mkiso.archive.server import EmbeddedArchive

CHECKOUT = Path(__file__).resolve().parents[2]
SHIM = CHECKOUT / "legacy_php_shim"
STUB = Path(__file__).with_name("stub_mkiso.sh")
TOKEN = "0123456789abcdef" * 2
LOUD = (
    "-d",
    "opcache.enable=0",
    "-d",
    "error_reporting=-1",
    "-d",
    "log_errors=1",
    "-d",
    "error_log=",
)
#: What PHP itself says of a request that it cuts.
EXPECTED = re.compile(r"POST Content-Length of|Input variables exceeded")
YES = "<?php\nfunction authorise(array $request) { return 'dr.house'; }\n"


@pytest.fixture(scope="session", autouse=True)
def php() -> str:
    for name in ("php", "setsid", "timeout"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    return str(shutil.which("php"))


def exported(value: object) -> str:
    """Return a value of ours as PHP."""
    if isinstance(value, (list, tuple)):
        return f"array({', '.join(map(exported, value))})"
    if isinstance(value, dict):
        pairs = (f"{exported(k)} => {exported(v)}" for k, v in value.items())
        return f"array({', '.join(pairs)})"
    if isinstance(value, int):
        return str(value)
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@dataclass
class Answer:
    """An answer of the web server."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)


@dataclass
class Site:
    """A folder with the pages and the settings, and a web server when one was started."""

    folder: Path
    settings: dict
    port: int = 0
    processes: list = field(default_factory=list)

    @property
    def web(self) -> Path:
        return self.folder / "web"

    @property
    def jobs(self) -> Path:
        return self.folder / "work" / "jobs"

    def job_folders(self) -> list[Path]:
        return [path for path in self.jobs.glob("*") if path.is_dir()]

    def configure(self, authorise: str | None = YES, **changes) -> None:
        self.settings.update(changes)
        config = f"<?php\nreturn {exported(self.settings)};\n"
        (self.web / "config.php").write_text(config)
        if authorise is not None:
            (self.web / "authorise.php").write_text(authorise)

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH",)}
        return {**kept, "HOME": str(self.folder), **more}

    def script(self, *words: str, **more) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["php", *LOUD, *words],
            cwd=self.web,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
            **more,
        )

    def evaluate(self, code: str, *arguments: str):
        """Run PHP code that has the client; return the JSON that it prints."""
        done = self.script("-r", f"require 'MkisoCommandLine.php'; {code}", "--", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == b"", done.stderr
        return json.loads(done.stdout)

    def serve(self, *options: str, workers: int = 4) -> None:
        (self.port,) = peers.free_ports(1)
        with (self.folder / "server.log").open("ab") as log:
            process = subprocess.Popen(
                ["php", *LOUD, *options, "-S", f"127.0.0.1:{self.port}", "-t", str(self.web)],
                env=self.environment(PHP_CLI_SERVER_WORKERS=str(workers)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.request("GET", "mkiso.css")
                return
            time.sleep(0.02)
        raise AssertionError((self.folder / "server.log").read_text())

    def stop(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=30)
        self.processes.clear()

    def request(self, method: str, target: str, body: bytes | None = None, **headers: str):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, f"/{target}", body, named)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, script: str, parameters=(), **headers: str) -> Answer:
        return self.request("GET", f"{script}?{query(parameters)}", **headers)

    def post(self, script: str, parameters=(), token: str = TOKEN, **headers: str) -> Answer:
        body = query([*pairs(parameters), ("token", token)]).encode()
        return self.request(
            "POST",
            script,
            body,
            **{
                "Content_Type": "application/x-www-form-urlencoded",
                "Cookie": f"mkiso_token={TOKEN}",
                **headers,
            },
        )

    def wait(self, job: str, seconds: float = 60) -> Answer:
        """Ask for the job's state until it has ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = self.get("mkiso.php", {"status": job})
            if answer.json["state"] != "running":
                return answer
            time.sleep(0.05)
        raise AssertionError("the job does not end")


def pairs(parameters):
    return list(parameters.items()) if isinstance(parameters, dict) else list(parameters)


def query(parameters) -> str:
    return urllib.parse.urlencode(pairs(parameters))


@pytest.fixture
def site(tmp_path):
    """A site whose mkiso is a stub, not yet served; nobody is authorised before `configure`."""
    made = Site(
        tmp_path,
        {
            "command": [str(STUB)],
            "environment": {"CANARY": str(tmp_path / "canary")},
            "work": str(tmp_path / "work"),
            "grace_seconds": 1,
        },
    )
    made.web.mkdir()
    (tmp_path / "work").mkdir()
    for source in SHIM.iterdir():
        if source.suffix in (".php", ".css", ".js"):
            shutil.copy(source, made.web)
    made.configure(authorise=None)
    yield made
    made.stop()
    log = made.folder / "server.log"
    lines = log.read_text().splitlines() if log.exists() else []
    said = [line for line in lines if re.search("(Warning|Notice|Deprecated|error): ", line)]
    assert [line for line in said if not EXPECTED.search(line)] == []


_SERIES = {"CT": 1, "MR": 2}


def instance(patient: str, study: str, number: int, accession_number: str, modality: str = "MR"):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    kind = {"MR": "1.2.840.10008.5.1.4.1.1.4", "CT": "1.2.840.10008.5.1.4.1.1.2"}[modality]
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = kind
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, f"{study}.{_SERIES[modality]}"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ds.SeriesInstanceUID}.{number}"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = f"Doe^{patient}", patient, "19700101"
    ds.StudyDate, ds.StudyTime, ds.StudyID = "20260131", "103000", "S1"
    ds.AccessionNumber, ds.Modality = accession_number, modality
    ds.SeriesNumber, ds.InstanceNumber = _SERIES[modality], number
    return ds


#: patient, study, accession number, modality, how many
STUDIES = (
    ("P1", "1.2.3", "MR.180505.026", "MR", 3),
    ("P1", "1.2.3", "MR.180505.026", "CT", 2),
    ("P1", "1.2.4", "2018:123", "MR", 1),
    ("P2", "1.2.5", "B1", "CT", 1),
    ("P2", "1.2.6", "TWICE", "CT", 1),
    ("P3", "1.2.7", "TWICE", "CT", 1),
)


@pytest.fixture(scope="session")
def archives(tmp_path_factory):
    """The archive ABPACS, and the node that mkiso2.php forwards to, with mkiso's configuration."""
    folder = tmp_path_factory.mktemp("archives")
    for name in ("images", "forward"):
        (folder / name).mkdir()
    for patient, study, accession_number, modality, count in STUDIES:
        for number in range(count):
            ds = instance(patient, study, number + 1, accession_number, modality)
            path = folder / "images" / f"{ds.SOPInstanceUID}.dcm"
            pydicom.dcmwrite(path, ds, enforce_file_format=True)
    (receiver_port,) = peers.free_ports(1)
    destinations = {"CDRECORD": ("127.0.0.1", receiver_port)}
    with (
        EmbeddedArchive(folder / "images", destinations=destinations) as archive,
        EmbeddedArchive(folder / "forward", "ANY-SCP") as forward,
    ):
        config = folder / "mkiso.toml"
        config.write_text(
            (SHIM / "mkiso.sample.toml")
            .read_text()
            .replace("port = 10104", f'port = {receiver_port}\nbind = "127.0.0.1"')
            .replace('"localhost"', '"127.0.0.1"')
            .replace("port = 11112", f"port = {archive.port}")
            .replace('"172.16.0.120"', '"127.0.0.1"')
            .replace("port = 104\n", f"port = {forward.port}\n")
        )
        yield SimpleNamespace(config=config, archive=archive, forward=forward, folder=folder)


@pytest.fixture
def real_site(site, archives):
    """A site whose mkiso is the real one and whose visitors are known, not yet served."""
    site.configure(
        command=[sys.executable, "-m", "mkiso"],
        arguments=["--config", str(archives.config)],
        environment={"PYTHONPATH": str(CHECKOUT)},
    )
    return site


@pytest.fixture
def together():
    """Run functions side by side and return their results in order."""

    def run(*functions):
        results = [None] * len(functions)

        def call(at, function):
            results[at] = function()

        threads = [
            threading.Thread(target=call, args=(at, each)) for at, each in enumerate(functions)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert None not in results
        return results

    return run
