"""Orthanc asks our archive and sends to it and to our receiver: the other side of the matrix."""

import json
import time
import urllib.request
from dataclasses import dataclass

import pydicom
import pytest
from peers import free_ports
from toolbox_lab import MR, Receipt, data_sets, make_people

pytestmark = pytest.mark.peers

CT = "1.2.840.10008.5.1.4.1.1.2"


@dataclass
class Orthanc:
    """Orthanc's REST interface; `theirs` is what its DICOM modality `cdrecord` is."""

    http_port: int

    def ask(self, path, body=None):
        url = f"http://127.0.0.1:{self.http_port}/{path}"
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(url, data=data, timeout=60) as answer:
            return answer.read()

    def json(self, path, body=None):
        return json.loads(self.ask(path, body))


@pytest.fixture
def start(lab, shared_tools, need_program):
    """Start Orthanc as ORTHANC; it knows our port as its one modality."""
    need_program("Orthanc")

    def make(their_port, data, our_title="ABPACS", port=None):
        more = {"DicomCheckModalityHost": False, "DicomAlwaysAllowStore": True}
        made = lab.real(
            "orthanc", shared_tools, data, AET="ORTHANC", PORT=str(port or free_ports(1)[0]),
            DEST_AET=our_title, DEST_PORT=str(their_port), EXTRA=json.dumps(more)[1:-1],
        )  # fmt: skip
        return Orthanc(made.http_port)

    return make


def empty(lab):
    folder = lab.folder / "nothing"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize(
    ("level", "query", "instances"),
    [
        ("Patient", {"PatientID": "P1"}, 5),
        ("Study", {"PatientID": "P1"}, 5),
        ("Study", {"AccessionNumber": "A3"}, 2),
        ("Series", {"StudyInstanceUID": "1.2.3", "Modality": "MR"}, 1),
        ("Instance", {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1",
                      "SOPInstanceUID": "1.2.3.1.2"}, 1),
    ],
)  # fmt: skip
def test_orthanc_finds_and_retrieves_at_every_level(lab, start, level, query, instances):
    (port,) = free_ports(1)
    archive = lab.archive(destinations={"ORTHANC": ("127.0.0.1", port)})
    orthanc = start(archive.port, empty(lab), port=port)
    orthanc.ask("modalities/cdrecord/echo", {})
    found = orthanc.json("modalities/cdrecord/query", {"Level": level, "Query": query})
    assert orthanc.json(f"queries/{found['ID']}/answers")
    body = {"TargetAet": "ORTHANC", "Synchronous": True}
    orthanc.ask(f"queries/{found['ID']}/retrieve", body)
    names = orthanc.json("instances")
    assert len(names) == instances
    originals = data_sets(lab.folder / "pacs-files")
    out = lab.folder / "out"
    out.mkdir()
    for name in names:
        (out / name).write_bytes(orthanc.ask(f"instances/{name}/file"))
    assert data_sets(out).items() <= originals.items()
    assert len(data_sets(out)) == instances


def test_orthanc_sends_to_our_receiver_and_our_archive_bit_for_bit(lab, start):
    people = make_people(lab.folder / "people")
    folder = lab.folder / "empty"
    folder.mkdir()
    archive = lab.archive(folder=folder)
    with Receipt(lab.folder) as receipt:
        for title, port in (("ABPACS", archive.port), ("CDRECORD", receipt.port)):
            orthanc = start(port, people, title)
            sent = orthanc.json(
                "modalities/cdrecord/store",
                {"Resources": orthanc.json("instances"), "Synchronous": True},
            )
            assert sent["InstancesCount"] == 7
            assert sent["FailedInstancesCount"] == 0
            lab.nodes[title] = {}  # the next Orthanc gets a folder of its own
    assert data_sets(receipt.folder) == data_sets(people)
    assert data_sets(folder) == data_sets(people)


def test_our_archive_commits_itself_towards_orthanc(lab, start):
    (port,) = free_ports(1)
    archive = lab.archive(destinations={"ORTHANC": ("127.0.0.1", port)})
    orthanc = start(archive.port, empty(lab), port=port)

    def outcome(*references):
        instances = [{"SOPClassUID": c, "SOPInstanceUID": i} for c, i in references]
        asked = orthanc.json(
            "modalities/cdrecord/storage-commitment", {"DicomInstances": instances}
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            report = orthanc.json(f"storage-commitment/{asked['ID']}")
            if report["Status"] != "Pending":
                return report
            time.sleep(0.1)
        raise AssertionError("no report came")

    good = outcome((CT, "1.2.3.1.1"), (MR, "1.2.3.2.1"))
    assert good["Status"] == "Success"
    assert len(good["Success"]) == 2
    bad = outcome((CT, "1.2.3.1.1"), (CT, "9.9"))
    assert bad["Status"] == "Failure"
    assert [each["SOPInstanceUID"] for each in bad["Failures"]] == ["9.9"]
    assert pydicom.uid.UID("1.2.3.1.1") == bad["Success"][0]["SOPInstanceUID"]
