"""Archives with a few patients, a configuration naming them, and the program in this process."""

import contextlib
import io
import json
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pydicom
from peers import start, stop
from ports import free_port
from whole_jobs import instance, save

from mkiso.archive.server import EmbeddedArchive
from mkiso.cli.main import main
from mkiso.core.job import Node, ReceiverAddress
from mkiso.network.store import StoreSurroundings, send_files
from mkiso.toolbox.receiving import Receiving, StudyReceiver
from mkiso.toolbox.sources import Sources
from mkiso.toolbox.world import World

MR = "1.2.840.10008.5.1.4.1.1.4"

#: Worklist items of two of them; a laboratory gives the first one today's date.
ITEMS = [
    {"PatientName": 'Doe, "JD"^Jane', "PatientID": "P1", "AccessionNumber": "A1",
     "Modality": "CT", "ScheduledStationAETitle": "CT1", "ScheduledProcedureStepStartDate": "",
     "ScheduledProcedureStepStartTime": "083000", "ScheduledProcedureStepID": "S1",
     "StudyInstanceUID": "1.2.3", "RequestedProcedureID": "R1"},
    {"PatientName": "Yamada^Tarou=山田^太郎", "PatientID": "P,2", "AccessionNumber": "A3",
     "Modality": "MR", "ScheduledStationAETitle": "MR1",
     "ScheduledProcedureStepStartDate": "20260215", "ScheduledProcedureStepStartTime": "1000",
     "ScheduledProcedureStepID": "S2", "StudyInstanceUID": "1.2.5", "RequestedProcedureID": "R2"},
]  # fmt: skip
#: Names with commas and quotes, an ID with a comma, and a patient that nobody has.
LIST = """\
patient_name,Patient ID,study_date,note
"Doe, ""JD""^Jane",P1,2026-01-31,"first, of two"
"Nobody, There",P9,20260101,
"Yamada^Tarou=山田^太郎","P,2",,last
"""


def make_people(folder):
    """Three patients: names with a comma, quotes and Han characters; 7 instances, 4 studies."""
    rows = [
        ("1.2.3", 1, 3, {"PatientName": 'Doe, "JD"^Jane', "PatientID": "P1"}),
        ("1.2.4", 1, 1, {"PatientName": 'Doe, "JD"^Jane', "PatientID": "P1",
                         "AccessionNumber": "A2", "StudyDate": "20260215"}),
        ("1.2.5", 1, 2, {"PatientName": "Yamada^Tarou=山田^太郎", "PatientID": "P,2",
                         "AccessionNumber": "A3", "SpecificCharacterSet": "ISO_IR 192",
                         "StudyDescription": "胸部"}),
    ]  # fmt: skip
    for study, series, count, more in rows:
        for n in range(1, count + 1):
            made = instance(study, series, n, **more)
            save(folder, f"{study}/{series}.{n}", made)
    save(
        folder,
        "1.2.3/mr",
        instance("1.2.3", 2, 1, PatientName='Doe, "JD"^Jane', PatientID="P1",
                 SOPClassUID=MR, Modality="MR"),
    )  # fmt: skip
    return folder


@dataclass
class Done:
    """What a run of the program left."""

    code: int
    out: str
    err: str

    @property
    def report(self):
        return json.loads(self.out)


class Lab:
    """A folder with a configuration; archives are added to it by name."""

    def __init__(self, folder, capfd, stack):
        today = date.today().strftime("%Y%m%d")  # noqa: DTZ011 - the local day is meant
        ITEMS[0]["ScheduledProcedureStepStartDate"] = today
        self.folder = folder
        self.config = folder / "mkiso.toml"
        self.receiver_port = free_port()
        self.nodes = {}
        self.receiver = {}  # further keys of [receiver]
        self.audit = {}  # keys of [audit]
        self._capfd = capfd
        self._stack = stack

    def name(self, name, port, ae_title="ABPACS", **more):
        """Write a node into the configuration; the first one is the archive."""
        self.nodes[name] = {"ae_title": ae_title, "host": "127.0.0.1", "port": port, **more}
        lines = [f'archive = "{next(iter(self.nodes))}"', "[receiver]"]
        lines += ['bind = "127.0.0.1"', f"port = {self.receiver_port}"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in self.receiver.items()]
        lines += ["[state]", f'folder = "{self.folder / "state"}"']
        lines += ["[audit]", *(f"{key} = {json.dumps(value)}" for key, value in self.audit.items())]
        for node, values in self.nodes.items():
            lines.append(f"[nodes.{node}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        self.config.write_text("\n".join(lines) + "\n")

    def archive(self, name="pacs", folder=None, **options):
        """Start an embedded archive with the people (or another folder) and name it."""
        if folder is None:
            folder = make_people(self.folder / f"{name}-files")
        destinations = {"CDRECORD": ("127.0.0.1", self.receiver_port)}
        destinations.update(options.pop("destinations", {}))
        made = self._stack.enter_context(
            EmbeddedArchive(folder, destinations=destinations, **options)
        )
        self.name(name, made.port)
        return made

    def real(self, kind, tools, data, **environment):
        """Start Orthanc or dcmqrscp with a folder of files and name it."""
        folder = self.folder / f"{kind}-{len(self.nodes)}"
        made = start(kind, tools, data, folder, **environment)
        self._stack.callback(stop, made)
        return made

    def run(self, command, *arguments):
        """Run a command of the program with the configuration of the laboratory."""
        self._capfd.readouterr()
        words = [command, *map(str, arguments)]
        if command not in ("completion", "verify"):
            words += ["--config", str(self.config)]
        code = main(words)
        return Done(code, *self._capfd.readouterr())


def data_sets(folder):
    """SOP Instance UID to the bytes of the data set, of every DICOM file below a folder."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        try:
            content = path.read_bytes()
        except (IsADirectoryError, FileNotFoundError):  # moved to its place at this moment
            continue
        if content[128:132] == b"DICM":
            meta = pydicom.dcmread(io.BytesIO(content), specific_tags=[]).file_meta
            end = 144 + meta.FileMetaInformationGroupLength
            found[str(meta.MediaStorageSOPInstanceUID)] = content[end:]
    return found


class Receipt:
    """A StudyReceiver in this process with what it told."""

    def __init__(self, folder, *, port=None, **options):
        self.port = port or free_port()
        self.folder = folder / "in"
        self.events, self.faults, self.said = [], [], []
        self._options = options
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self.running = self._stack.enter_context(
            StudyReceiver(
                Receiving(
                    ReceiverAddress(port=self.port, bind="127.0.0.1"), self.folder, **self._options
                ),
                World(say=self.said.append, log=self.said.append),
                event=lambda event: self.events.append(event.content),
                failed=self.faults.append,
            )
        )
        return self

    def __exit__(self, *_):
        self._stack.close()
        assert self.faults == []

    def wait_for(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.running.tick()
            if condition():
                return True
            time.sleep(0.02)
        return False


def send(port, *paths, associations=1, aet="CDRECORD", calling="SENDER"):
    """Send files; the statuses by SOP Instance UID."""
    sources = Sources(Path("/nowhere"), lambda: None)
    sources.add(paths)
    results = {}
    node = Node("n", aet, "127.0.0.1", port, retries=0, forward_associations=associations)
    send_files(
        node,
        list(sources.files.values()),
        calling_ae_title=calling,
        surroundings=StoreSurroundings(
            report=lambda r: results.update({r.file.sop_instance_uid: r.status}),
            log=lambda _line: None,
        ),
    )
    return results
