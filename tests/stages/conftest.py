import pydicom
import pytest
from ports import free_port
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from mkiso.archive.server import EmbeddedArchive
from mkiso.core.job import Job, Node, ReceiverAddress

MR = "1.2.840.10008.5.1.4.1.1.4"


def write_instance(path, study, series, instance, accession_number):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = MR
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, f"{study}.{series}"
    ds.SOPInstanceUID = f"{study}.{series}.{instance}"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = "Doe^Jane", "P1", "19700101"
    ds.StudyDate, ds.StudyTime, ds.StudyID = "20260131", "103000", "S1"
    ds.AccessionNumber, ds.Modality = accession_number, "MR"
    ds.SeriesNumber, ds.InstanceNumber = series, instance
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, ds, enforce_file_format=True)


@pytest.fixture
def images(tmp_path):
    """A study with a series of three instances and one of one."""
    folder = tmp_path / "images"
    for n in (1, 2, 3):
        write_instance(folder / f"a{n}", "1.2.3", 1, n, "A1")
    write_instance(folder / "b1", "1.2.3", 2, 1, "A1")
    return folder


@pytest.fixture
def receiver_port():
    return free_port()


@pytest.fixture
def start_archive(images):
    """Start the embedded archive with the given move destinations."""
    started = []

    def start(**destinations):
        archive = EmbeddedArchive(images, destinations=destinations)
        archive.start()
        started.append(archive)
        return archive

    yield start
    for archive in started:
        archive.stop()


@pytest.fixture
def make_job(tmp_path, receiver_port):
    """A job of the doctor for an archive at a port of this machine."""

    def make(port, **changes):
        node = {"name": "abpacs", "ae_title": "ABPACS", "host": "127.0.0.1", "port": port}
        settings = {
            "receiver": ReceiverAddress("CDRECORD", receiver_port, "127.0.0.1"),
            "output_folder": tmp_path,
            "state_folder": tmp_path / "state",
        }
        settings.update({k: changes.pop(k) for k in list(changes) if k in Job.__dataclass_fields__})
        return Job(job_id="", accession_numbers=(), archive=Node(**{**node, **changes}), **settings)

    return make
