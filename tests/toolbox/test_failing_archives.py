"""Archives that fail for one patient, hang, or are stopped in the middle."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_schema import CHECKOUT
from odd_archive import OddArchive
from toolbox_lab import data_sets, make_people
from whole_jobs import instance, save

from mkiso.toolbox.tidy_folder import MARKER, TidyFolder

PATIENTS = 'PatientID,PatientName\nP1,"Doe, ""JD""^Jane"\n"P,2",Yamada\n'


@contextlib.contextmanager
def odd_archive(lab):
    people = make_people(lab.folder / "files")
    with OddArchive(people, {"CDRECORD": ("127.0.0.1", lab.receiver_port)}) as archive:
        lab.name("pacs", archive.port, retries=0)
        yield archive


def write_list(lab):
    (lab.folder / "list.csv").write_text(PATIENTS, encoding="utf-8")


@pytest.mark.parametrize("status", [0xC000, 0xA702, 0xB000])
def test_an_archive_that_fails_for_one_patient_serves_the_other(lab, status):
    write_list(lab)

    def on_move(move):
        if "1.2.5.1.1" in move.uids:
            move.finish(status, completed=0, failed=len(move.uids))
        else:
            move.normally()

    with odd_archive(lab) as archive:
        archive.on_move = on_move
        out = lab.folder / "out"
        done = lab.run("retrieve", "pacs", "--from", "list.csv", "--output", out, "--json")
    lines = done.report["answer"]["lines"]
    assert lines[0]["code"] == 0
    assert lines[1]["code"] in (75, 78, 80)
    assert done.code == lines[1]["code"]
    assert len(data_sets(out)) == 5
    assert (out / MARKER).is_file()
    assert "Yamada" not in done.out + done.err


@pytest.mark.peers
@pytest.mark.parametrize("command", ["retrieve", "move"])
def test_orthanc_that_lost_a_file_fails_for_that_patient_alone(two_orthancs, command):
    lab = two_orthancs
    write_list(lab)
    lost = [
        path
        for path in lab.folder.glob("orthanc-0/db/*/*/*")
        if path.is_file() and b"1.2.5.1.1" in path.read_bytes()
    ]
    assert lost
    for path in lost:
        path.unlink()
    out = lab.folder / "out"
    options = {
        "retrieve": ["--method", "get", "--output", out, "--set", "nodes.pacs.retries=0"],
        "move": ["--to", "RAWPACS", "--look-at", "raw"],
    }[command]
    done = lab.run(command, "pacs", "--from", "list.csv", *options, "--json")
    lines = done.report["answer"]["lines"]
    assert [line["code"] == 0 for line in lines] == [True, False], lines
    assert done.code == lines[1]["code"]
    assert lines[0]["instances"] == 5


def test_a_terminated_retrieval_leaves_what_it_has_and_says_so(lab):
    with odd_archive(lab) as archive:
        archive.on_move = lambda move: (move.send(move.instances[:2]), move.hang())
        out = lab.folder / "out"
        command = [sys.executable, "-m", "mkiso", "retrieve", "pacs", "--accession", "A1",
                   "--output", str(out), "--config", str(lab.config)]  # fmt: skip
        with subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            stderr=subprocess.PIPE,
            cwd=lab.folder,
            text=True,
        ) as process:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and len(list(out.rglob("*.dcm"))) < 2:
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            said = process.stderr.read()
        assert process.returncode == 143
        assert f"Terminated; what arrived is in {out}, and the same command asks for" in said
        assert (out / MARKER).is_file()
        assert len(data_sets(out)) == 2
        assert not list(out.glob(".mkiso-*"))


def test_a_move_that_says_nothing_new_is_given_up(lab):
    def on_move(move):
        move.operation.respond(0xFF00, NumberOfRemainingSuboperations=4)
        move.hang()

    with odd_archive(lab) as archive:
        archive.on_move = on_move
        done = lab.run("move", "pacs", "--to", "CDRECORD", "--accession", "A1",
                       "--stall-timeout", "1")  # fmt: skip
    assert done.code == 75
    assert "says nothing new" in done.err


def test_success_without_anything_sent_is_not_believed_when_somebody_looks(lab):
    empty = lab.folder / "empty"
    empty.mkdir()
    backup = lab.archive("backup", folder=empty, ae_title="BACKUP")
    lab.nodes.clear()
    with odd_archive(lab) as archive:
        lab.name("backup", backup.port, "BACKUP")
        archive.on_move = lambda move: move.finish(0x0000, completed=len(move.uids))
        arguments = ["move", "pacs", "--to", "CDRECORD", "--accession", "A1"]
        assert lab.run(*arguments).code == 0  # nobody looked: the sentence says so
        done = lab.run(*arguments, "--look-at", "backup")
    assert done.code == 80
    assert "backup has 0 of 4 instances, though the archive reports success" in done.err


def test_studies_without_names_dates_and_descriptions_are_rows_too(lab):
    folder = lab.folder / "bare"
    save(folder, "1", instance("1.2.7", PatientName="", PatientID="", StudyDate="", StudyTime="",
                               AccessionNumber="", StudyID=""))  # fmt: skip
    lab.archive(folder=folder)
    done = lab.run("find", "pacs")
    assert done.code == 0
    assert len(done.out.splitlines()) == 3
    out = lab.folder / "out"
    done = lab.run("retrieve", "pacs", "--study", "1.2.7", "--sort", "patient", "--output", out)
    assert done.code == 0, done.err
    assert (out / "NO_PATIENT_ID/1.2.7/1.2.7.1/1.2.7.1.1.dcm").is_file()


def test_a_full_output_folder_is_74_and_an_unusable_one_73(lab):
    lab.archive()
    done = lab.run("retrieve", "pacs", "--accession", "A1", "--output", lab.folder / "out",
                   "--set", f"job.minimum_free={1 << 60}")  # fmt: skip
    assert done.code == 74
    Path(lab.folder / "file").touch()
    done = lab.run("retrieve", "pacs", "--accession", "A1", "--output", lab.folder / "file")
    assert done.code == 73


def test_two_runs_do_not_retrieve_into_one_folder(lab):
    lab.archive()
    out = lab.folder / "out"
    out.mkdir()
    arguments = ["retrieve", "pacs", "--accession", "A1", "--output", out]
    with TidyFolder(out, "study").marked_incomplete():
        done = lab.run(*arguments)
        assert done.code == 75
        assert "Another run retrieves" in done.err
    assert lab.run(*arguments).code == 0


def test_a_number_that_nobody_has_leaves_no_mark(lab):
    lab.archive()
    out = lab.folder / "out"
    assert lab.run("retrieve", "pacs", "--accession", "NOBODY", "--output", out).code == 66
    assert list(out.iterdir()) == []


def test_an_option_for_waiting_wins_over_the_nodes_own(lab):
    with odd_archive(lab) as archive:
        lab.name("pacs", archive.port, retries=0, stall_timeout=600.0)
        archive.on_move = lambda move: move.hang()
        done = lab.run("retrieve", "pacs", "--accession", "A1", "--output", lab.folder / "out",
                       "--stall-timeout", "1", "--set", "job.first_instance_timeout=1")  # fmt: skip
    assert done.code == 75
    assert "sent nothing for 1 s" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_send_to_a_node_that_hangs_can_be_stopped(lab, number):
    """Its first question is a C-ECHO; nobody should have to wait for its deadline."""
    people = make_people(lab.folder / "people")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        lab.name("hangs", silent.getsockname()[1])
        command = [sys.executable, "-m", "mkiso", "send", "hangs", str(people),
                   "--config", str(lab.config)]  # fmt: skip
        with subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            stderr=subprocess.PIPE,
            cwd=lab.folder,
            text=True,
        ) as process:
            silent.settimeout(60)
            connection, _ = silent.accept()
            with connection:
                connection.settimeout(60)
                assert connection.recv(6)  # its A-ASSOCIATE-RQ
                process.send_signal(number)
                said = process.stderr.read()
    assert process.returncode == 128 + number
    assert "what the node took it has" in said
