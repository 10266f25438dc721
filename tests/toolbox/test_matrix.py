"""The toolbox against the archives and programs that people have: each pair does its part."""

import subprocess

import pytest
from peers import free_ports, storescp, tool
from toolbox_lab import Receipt, data_sets, make_people

pytestmark = pytest.mark.peers

KINDS = ["orthanc", "dcmqrscp"]


@pytest.fixture(params=KINDS)
def real(request, lab, shared_tools, need_program):
    """A real archive with the people, as node `pacs`; CDRECORD is registered there."""
    need_program("Orthanc", "dcmqrscp")
    people = make_people(lab.folder / "people")
    made = lab.real(request.param, shared_tools, people, DEST_PORT=str(lab.receiver_port))
    lab.name("pacs", made.port)
    return lab


def test_nodes_and_echo(real):
    assert real.run("echo", "pacs").code == 0
    done = real.run("nodes", "--check", "--set", f"nodes.abpacs.port={real.nodes['pacs']['port']}")
    assert done.code == 0, done.out


def test_move_into_storescp(real, need_program):
    need_program("storescp")
    arrived = real.folder / "arrived"
    arrived.mkdir()
    with storescp(real.receiver_port, arrived):
        done = real.run("move", "pacs", "--to", "CDRECORD", "--patient-id", "P1")
    assert done.code == 0, done.err
    assert "sent 5 of 5 instances to CDRECORD" in done.out
    people = data_sets(real.folder / "people")
    assert len(data_sets(arrived)) == 5
    assert data_sets(arrived).items() <= people.items()


def test_move_into_our_own_receiver(real):
    with Receipt(real.folder, port=real.receiver_port) as receipt:
        done = real.run("move", "pacs", "--to", "CDRECORD", "--accession", "A3")
        assert done.code == 0, done.err
        assert receipt.wait_for(lambda: len(data_sets(receipt.folder)) == 2)
    assert data_sets(receipt.folder).items() <= data_sets(real.folder / "people").items()


def test_move_to_a_destination_that_is_down_is_no_success(real):
    done = real.run("move", "pacs", "--to", "CDRECORD", "--accession", "A1")
    assert done.code in (75, 80), (done.code, done.err)


def test_move_to_an_unknown_destination_is_no_success(real):
    done = real.run("move", "pacs", "--to", "NOWHERE", "--accession", "A1")
    assert done.code in (75, 78, 80), (done.code, done.err)
    assert done.out == ""


def test_send_and_find_again(real):
    new = real.folder / "new"
    subprocess.run(["cp", "-r", str(real.folder / "people/1.2.4"), str(new)], check=True)
    for path in new.iterdir():
        tool("dcmodify", "-nb", "-m", "0008,0050=NEW", "-gst", "-gse", "-gin", str(path))
    assert real.run("send", "pacs", new).code == 0
    done = real.run("find", "pacs", "--accession", "NEW", "--level", "image", "--uids")
    assert set(done.out.split()) == set(data_sets(new))


def test_an_unknown_ae_title_is_told_to_be_registered(lab, shared_tools, need_program):
    need_program("Orthanc")
    nothing = lab.folder / "nothing"
    nothing.mkdir()
    made = lab.real("orthanc", shared_tools, nothing, EXTRA='"DicomAlwaysAllowFind": false')
    lab.name("pacs", made.port, calling_ae_title="STRANGER")
    done = lab.run("find", "pacs")
    assert done.code == 78, done.err
    assert "STRANGER" in done.err


@pytest.mark.parametrize("program", ["storescu", "dcmsend"])
def test_dcmtk_sends_to_our_receiver_and_our_archive(lab, program, need_program):
    need_program(program)
    people = make_people(lab.folder / "people")
    options = ["+sd", "+r", "-aec"]
    empty = lab.folder / "empty"
    empty.mkdir()
    archive = lab.archive("backup", folder=empty)
    with Receipt(lab.folder) as receipt:
        for title, port in (("CDRECORD", receipt.port), ("ABPACS", archive.port)):
            command = [program, *options, title, "127.0.0.1", str(port), str(people)]
            subprocess.run(command, check=True, timeout=60)
    assert data_sets(receipt.folder) == data_sets(people)
    assert data_sets(empty) == data_sets(people)


def test_dcmtk_queries_moves_and_gets_from_our_archive(lab, need_program):
    need_program("findscu", "movescu", "getscu", "storescp")
    (port,) = free_ports(1)
    archive = lab.archive("pacs", destinations={"DEST": ("127.0.0.1", port)})
    where = ["-aec", "ABPACS", "127.0.0.1", str(archive.port)]
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3"]
    assert "1.2.3" in tool("findscu", "-S", *where, *keys)
    moved, got = lab.folder / "moved", lab.folder / "got"
    moved.mkdir()
    got.mkdir()
    with storescp(port, moved, "DEST"):
        tool("movescu", "-S", "-aem", "DEST", "--no-port", *where, *keys)
    tool("getscu", "-S", "-od", str(got), *where, *keys)
    people = data_sets(lab.folder / "pacs-files")
    assert len(data_sets(moved)) == 4
    assert len([path for path in got.iterdir() if path.is_file()]) == 4
    assert data_sets(moved).items() <= people.items()
