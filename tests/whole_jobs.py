"""A whole job in this process against an archive of this process, and what must hold afterwards."""

import contextlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from invariants import check_output, check_port, check_process, check_report, check_silence
from odd_archive import OddArchive
from ports import free_port
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from mkiso.core.job import Job, Node, ReceiverAddress
from mkiso.pipeline import Surroundings, run
from mkiso.stages.verify import check_path

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
#: Who is in the files, and must be in no log, report or message.
PERSON = {"PatientName": "Quux^Zebulon", "PatientID": "PIDQ77", "PatientBirthDate": "19330517"}
SECRETS = ("Quux", "Zebulon", "PIDQ77", "19330517")


def instance(study="1.2.3", series=1, number=1, **more):
    """A small CT slice as a pydicom data set."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CT
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, f"{study}.{series}"
    ds.SOPInstanceUID = f"{study}.{series}.{number}"
    ds.StudyDate, ds.StudyTime, ds.StudyID = "20260131", "103000", "S1"
    ds.AccessionNumber, ds.Modality = "A1", "CT"
    ds.SeriesNumber, ds.InstanceNumber = series, number
    ds.Rows = ds.Columns = 16
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 15, 0, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.PixelData = bytes([number % 256]) * 512
    for keyword, value in {**PERSON, **more}.items():
        setattr(ds, keyword, value)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def save(folder, name, ds):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


def study(folder, count=4, **more):
    """Write one series of `count` instances."""
    for n in range(1, count + 1):
        uid = more.get("study", "1.2.3")
        save(folder, f"{uid}.{more.get('series', 1)}/{n}", instance(number=n, **more))


#: Waiting times that a test would notice.
PATIENT = {
    "stall_timeout_seconds": 25.0,
    "first_instance_timeout_seconds": 25.0,
    "quiet_period_seconds": 25.0,
}


@dataclass
class Result:
    """What a job left."""

    code: int
    report: dict
    folder: Path
    log: str
    said: list
    seconds: float
    discs: list = field(default_factory=list)

    @property
    def missing(self):
        return {each["sop_instance_uid"] for each in self.report["missing"]}

    @property
    def message(self):
        return self.report["message"]

    @property
    def warnings(self):
        return " ".join(self.report["warnings"])

    @property
    def on_disc(self):
        """The SOP Instance UIDs inside the one image."""
        (disc,) = self.discs
        return {each.sop_instance_uid for each in check_path(disc).instances}


class Laboratory:
    """One archive, one receiver port, one output folder."""

    def __init__(self, folder, stack):
        self.folder = folder
        self.images = folder / "images"
        self.images.mkdir()
        self.output = folder / "out"
        self.port = free_port()
        self.archive = None
        self._stack = stack
        self.node = {"retries": 0, "connect_timeout_seconds": 3.0}
        self.settings = {
            "stall_timeout_seconds": 2.0,
            "first_instance_timeout_seconds": 2.0,
            "quiet_period_seconds": 0.5,
            "deadline_seconds": 30.0,
            "minimum_free_bytes": 0,
            "viewer": "none",  # tests/pipeline/test_viewer.py has those with one
        }

    def start(self, **options):
        """Start the archive over the images."""
        self.archive = OddArchive(self.images, {"CDRECORD": ("127.0.0.1", self.port)}, **options)
        self.archive.start()
        self.archive_port = self.archive.port
        self._stack.callback(self.archive.stop)
        return self.archive

    def restart(self):
        """Start it again on the same port."""
        self.archive.stop()
        return self.start(port=self.archive_port)

    def job(self, *accessions, node=None, **settings):
        values = {"host": "127.0.0.1", "port": self.archive_port, **self.node, **(node or {})}
        settings = {**self.settings, **settings}
        return Job(
            job_id=f"job{time.monotonic_ns()}",
            accession_numbers=accessions or ("A1",),
            archive=Node(name="abpacs", ae_title="ABPACS", **values),
            receiver=ReceiverAddress("CDRECORD", self.port, "127.0.0.1"),
            output_folder=settings.pop("output_folder", self.output),
            state_folder=self.folder / "state",
            **settings,
        )

    def make(self, *accessions, surroundings=None, check=True, on_say=None, **options):
        """Run a job and check what must hold after every job."""
        job = self.job(*accessions, **options)
        said = []

        def say(sentence):
            said.append(sentence)
            if on_say:
                on_say(sentence)

        began = time.monotonic()
        report = run(job, surroundings=Surroundings(say=say, **(surroundings or {})))
        seconds = time.monotonic() - began
        log = self.folder / "state" / "jobs" / f"{job.job_id}.log"
        result = Result(
            report.code,
            json.loads(json.dumps(report.to_dict())),
            job.output_folder,
            log.read_text() if log.exists() else "",
            said,
            seconds,
            sorted(job.output_folder.glob("*.iso")) if job.output_folder.is_dir() else [],
        )
        if check:
            self.check(result, job.deadline_seconds)
        return result

    def check(self, result, deadline_seconds=None):
        """The invariants of every end."""
        discs = check_output(result.folder)
        check_report(result.report, discs)
        self.check_free()
        check_silence([result.log, json.dumps(result.report), *map(str, result.said)], SECRETS)
        assert "Traceback" not in result.log or result.code == 70
        assert result.seconds <= (deadline_seconds or self.settings["deadline_seconds"]) + 10
        check_process(result.folder, archive_port=getattr(self, "archive_port", 0))

    def check_free(self):
        """The port and its lock are free."""
        check_port(self.port)


@contextlib.contextmanager
def laboratory(folder):
    """A laboratory whose archives are stopped at the end."""
    with contextlib.ExitStack() as stack:
        yield Laboratory(folder, stack)
