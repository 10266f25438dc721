"""Against Orthanc, dcmqrscp and storescp, where they are installed."""

import contextlib
import json
import urllib.request

import pytest
from importing import NAME, stored
from peers import free_ports, start, stop, storescp, tool
from whole_jobs import instance, save

pytestmark = [pytest.mark.peers, pytest.mark.data]
KOREAN = "#00077-Hong^Gildong=洪^吉洞=홍^길동"


@pytest.fixture
def orthanc(need_program, shared_tools, tmp_path, inbox):
    need_program("Orthanc")
    empty = tmp_path / "empty"
    save(empty, "1.dcm", instance("1.2.999", PatientID="OTHER"))
    made = start("orthanc", shared_tools, empty, tmp_path / "orthanc")
    inbox.node("orthanc", made.port)
    yield made
    stop(made)


def rest(archive, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{archive.http_port}{path}", timeout=60) as got:
        return json.load(got)


def test_a_korean_name_arrives_as_korean_at_orthanc(orthanc, inbox):
    inbox.configure(unicode=True)
    inbox.put(KOREAN, SpecificCharacterSet=["", "ISO 2022 IR 149"], StudyDescription="흉부")
    code, report = inbox.once()
    assert code == 0, report
    patients = [rest(orthanc, f"/patients/{each}") for each in rest(orthanc, "/patients")]
    (patient,) = [each for each in patients if each["MainDicomTags"]["PatientID"] == "00077"]
    assert patient["MainDicomTags"]["PatientName"] == "Hong^Gildong=洪^吉洞=홍^길동"
    (study,) = patient["Studies"]
    assert rest(orthanc, f"/studies/{study}")["MainDicomTags"]["StudyDescription"] == "흉부"
    assert rest(orthanc, f"/patients/{patient['ID']}/statistics")["CountInstances"] == 3


def test_real_files_go_to_several_real_archives_at_once(
    orthanc, need_program, shared_data, shared_tools, tmp_path, inbox
):
    need_program("storescp", "dcmqrscp", "findscu")
    (port,) = free_ports(1)
    out = tmp_path / "stored"
    out.mkdir()
    folder = inbox.root / NAME
    ct = sorted(shared_data.rglob("dcm4che-assembly/**/MR*.dcm"))[:20]
    assert ct
    folder.mkdir()
    for path in ct:
        (folder / path.name).write_bytes(path.read_bytes())
    with contextlib.ExitStack() as stack:
        stack.enter_context(storescp(port, out))
        inbox.node("scp", port)
        empty = tmp_path / "one"
        save(empty, "1.dcm", instance("1.2.999", PatientID="OTHER"))
        qr = start("dcmqrscp", shared_tools, empty, tmp_path / "qr")
        stack.callback(stop, qr)
        inbox.node("qr", qr.port)
        code, report = inbox.once()
        assert code == 0, report
        (each,) = report["answer"]["imports"]
        assert {node: said["taken"] for node, said in each["destinations"].items()} == {
            "orthanc": len(ct), "scp": len(ct), "qr": len(ct),
        }  # fmt: skip
        answer = tool(
            "findscu", "-P", "-aet", "CDRECORD", "-aec", "ABPACS", "127.0.0.1", str(qr.port),
            "-k", "0008,0052=PATIENT", "-k", "0010,0020=90210", "-k", "0010,0010=",
        )  # fmt: skip
        assert "Quux^Zebulon" in answer
    found = stored(out)
    assert len(found) == len(ct)
    before = stored(inbox.archived()[0])
    for uid, ds in found.items():
        assert (ds.PatientID, ds.PatientName) == ("90210", "Quux^Zebulon")
        assert ds.file_meta.TransferSyntaxUID == before[uid].file_meta.TransferSyntaxUID
        assert ds.PixelData == before[uid].PixelData
        private = {e.tag: e.value for e in before[uid] if e.tag.is_private and e.VR != "SQ"}
        assert {e.tag: e.value for e in ds if e.tag.is_private and e.VR != "SQ"} == private
