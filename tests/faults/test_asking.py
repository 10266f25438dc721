"""Whole jobs against archives that fail, lie or hang while they are asked what they have."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from faults.proxy import Proxy
from faults.whole import UIDS, changed, heals, refused, value
from scripted_peer import ScriptedPeer, raw_peer, wait_for
from whole_jobs import free_port, instance, save, study

from mkiso.cli.main import main
from mkiso.core.query import STUDY_ROOT_FIND, STUDY_ROOT_MOVE
from mkiso.network.upper_layer import REJECT_CALLED_AE_TITLE, REJECT_LOCAL_LIMIT, Rejection

ACCESSION = 0x00080050
SHORT = {"connect_timeout_seconds": 0.5, "find_timeout_seconds": 0.5}


@contextlib.contextmanager
def instead(lab, port):
    """Another program is at the archive's address for a while."""
    kept, lab.archive_port = lab.archive_port, port
    try:
        yield
    finally:
        lab.archive_port = kept


@pytest.mark.fault("F01", "F04")
def test_an_archive_that_comes_back_is_found(lab, archive):
    archive.stop()
    back = []
    result = lab.make(
        node={"retries": 2},
        on_say=lambda said: "Trying again in" in said and not back and back.append(lab.restart()),
    )
    assert result.code == 0, result.report
    assert result.on_disc == UIDS
    assert any("Trying again in" in line for line in result.said)


@pytest.mark.fault("F03")
def test_a_rejection_for_good_names_both_titles_and_is_not_repeated(lab, archive):
    with ScriptedPeer(lambda *_: None, reject=REJECT_CALLED_AE_TITLE) as peer:
        with instead(lab, peer.node().port):
            result = refused(lab.make(node={"retries": 2}), 78)
        assert "CDRECORD" in result.message
        assert "ABPACS" in result.message
        assert result.seconds < 5  # the first pause would be two seconds, the second four
    heals(lab)


@pytest.mark.fault("F04")
def test_a_rejection_for_now_is_repeated_and_then_75(lab, archive):
    with (
        ScriptedPeer(lambda *_: None, reject=REJECT_LOCAL_LIMIT) as peer,
        instead(lab, peer.node().port),
    ):
        result = refused(lab.make(node={"retries": 1}), 75)
    assert result.report["retry"] == "yes"
    assert result.seconds >= 1
    heals(lab)


@pytest.mark.fault("F03", "F04")
@pytest.mark.parametrize("source", [1, 2, 3, 9])
@pytest.mark.parametrize("reason", [0, 1, 200])
@pytest.mark.parametrize("kind", [1, 2])
def test_any_rejection_is_for_good_or_for_now(lab, archive, kind, source, reason):
    with (
        ScriptedPeer(lambda *_: None, reject=Rejection(kind, source, reason)) as peer,
        instead(lab, peer.node().port),
    ):
        refused(lab.make(), 78 if kind == 1 else 75)


@pytest.mark.fault("F05")
def test_an_archive_without_find_is_76(lab, archive):
    with (
        ScriptedPeer(lambda *_: None, refuse=frozenset({STUDY_ROOT_FIND})) as peer,
        instead(lab, peer.node().port),
    ):
        result = refused(lab.make(), 76)
    assert "Study Root" in result.message
    heals(lab)


@pytest.mark.fault("F05")
def test_an_archive_without_move_is_76(lab, archive):
    """C-FIND goes to the archive, C-MOVE to one that refuses it: a broken pair behind one name."""
    with ScriptedPeer(lambda *_: None, refuse=frozenset({STUDY_ROOT_MOVE})) as peer:
        elsewhere = peer.node().port

        def switch(progress):
            if progress.stage == "find":
                archive._listener._policy = peer._listener._policy

        policy = archive._listener._policy
        result = lab.make(surroundings={"progress": switch})
        archive._listener._policy = policy
        assert elsewhere
    refused(result, 76)
    heals(lab)


@pytest.mark.fault("F06")
@pytest.mark.parametrize("count", [0, 1, 3, 5, 6, 40])
def test_an_answer_that_stops_after_some_bytes_ends_in_time(lab, archive, count):
    def some_bytes(connection):
        connection.recv(1 << 16)
        connection.sendall(bytes((2, 0, 0, 0, 0, 184))[:count].ljust(count, b"\1"))
        connection.recv(1)

    with raw_peer(some_bytes) as port, instead(lab, port):
        result = refused(lab.make(node=SHORT, deadline_seconds=1.0), 75)
    assert result.seconds < 20  # the negotiation has 30 s
    if count == 3:
        heals(lab)


@pytest.mark.fault("F07")
def test_answers_that_drip_end_in_time(lab, archive):
    """Through the archive's own listener: each byte of its answers after a pause."""
    with Proxy(lab.archive_port, drip_seconds=0.05) as proxy, instead(lab, proxy.port):
        result = refused(lab.make(node=SHORT, deadline_seconds=4.0), 75)
    assert result.seconds < 20
    heals(lab)


@pytest.mark.fault("F08")
def test_nothing_is_moved_when_nothing_is_found(lab, archive):
    seen = []
    archive.on_move = seen.append
    result = refused(lab.make("NOPE"), 66)
    assert "NOPE" in result.message
    assert seen == []


#: What must not be sent, and what must arrive as it is (PS3.5 6.2 SH, PS3.4 C.2.2.2).
BAD_NUMBERS = (
    "", " ", "*", "A*", "A?", "A\\B", "12345678901234567", "A\nB", "A\rB", "A\tB", "A\x7fB",
    "\x00", "A\x00B", "\x1b[2J", "\ufeff*", "\udcff",
)  # fmt: skip
ODD_NUMBERS = (
    "-x", "--json", "$(id)", "a;b", "`id`", "'", '"', "%s%n", "../../etc", "2018:123", "#7", "-",
    "&lt;", "=1+1", "한국어", "|cat", "A B", "\u202eA", "0", "1e5", "[A]", "{}",
)  # fmt: skip


@pytest.mark.fault("F09")
@pytest.mark.parametrize("number", BAD_NUMBERS, ids=ascii)
def test_a_number_that_must_not_be_sent_is_64_before_the_network(lab, archive, capfd, number):
    if "\x00" in number:
        pytest.skip("no operating system passes on an argument with a NUL")
    asked = []
    archive.on_find = lambda level, answers: asked.append(level) or answers
    assert run(lab, capfd, number)["code"] == 64
    assert asked == []
    assert not archive.associations


@pytest.mark.fault("F09")
@pytest.mark.parametrize("number", ODD_NUMBERS, ids=ascii)
def test_an_odd_number_that_is_legal_arrives_literally(lab, number):
    save(lab.images, "odd", instance(study="1.7", AccessionNumber=number,
                                     SpecificCharacterSet="ISO_IR 192"))  # fmt: skip
    lab.start()
    result = lab.make(number)
    assert result.code == 0, result.report
    assert result.on_disc == {"1.7.1.1"}
    assert [disc.parent for disc in result.discs] == [lab.output]


def run(lab, capfd, number):
    """The program in this process."""
    code = main([
        "make", "--json", "--archive", f"ABPACS@127.0.0.1:{lab.archive_port}",
        "--receiver", f"CDRECORD@127.0.0.1:{lab.port}", "--output", str(lab.output),
        "--set", f"state.folder={lab.folder / 'state'}", "--", number,
    ])  # fmt: skip
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler if name == signal.SIGINT else signal.SIG_DFL)
    report = json.loads(capfd.readouterr().out)
    assert report["code"] == code
    return report


@pytest.mark.fault("F10", "G18")
@pytest.mark.parametrize("returned", ["B2", "a1", "A10", "", "A1X"])
def test_an_archive_that_lists_other_numbers_is_not_believed(lab, archive, returned):
    save(lab.images, "other", instance(study="1.9", PatientID="P2"))
    lab.restart()
    lab.archive.on_find = lambda _level, answers: [
        changed(keys, ACCESSION, returned) for keys in answers
    ]
    result = refused(lab.make(), 66, received=0)
    assert lab.archive.moves == []
    assert "dropped" in result.log


@pytest.mark.fault("F11")
def test_two_studies_of_one_number_are_on_one_disc_and_one_when_named(lab):
    study(lab.images, 2, study="1.9")
    lab.start()
    result = lab.make()
    assert result.code == 0
    assert result.on_disc == UIDS | {"1.9.1.1", "1.9.1.2"}
    assert {each["study_instance_uid"] for each in result.report["studies"]} == {"1.2.3", "1.9"}
    one = lab.make(study_instance_uids=("1.9",), name="one")
    assert one.code == 0
    assert {each["study_instance_uid"] for each in one.report["studies"]} == {"1.9"}


@pytest.mark.fault("F12")
@pytest.mark.parametrize("options", [{}, {"per_patient": True}, {"same_patient": True},
                                     {"allow_incomplete": True}], ids=str)  # fmt: skip
def test_two_patients_of_one_number_are_refused_whatever_is_asked(lab, options):
    save(lab.images, "other", instance(study="1.9", PatientID="P2", PatientName="Other"))
    lab.start()
    result = refused(lab.make(**options), 82)
    assert "A1" in result.message


@pytest.mark.fault("F27")
def test_an_archive_program_that_is_stopped_is_given_up(lab, tmp_path):
    """SIGSTOP: its kernel still takes our bytes, and nobody reads them."""
    port = free_port()
    archive = subprocess.Popen(
        [sys.executable, "-m", "mkiso", "archive", str(lab.images), "--port", str(port),
         "--destination", f"CDRECORD=127.0.0.1:{lab.port}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        lab.archive_port = port
        wait_for(lambda: reachable(port) or archive.poll() is not None, 30)
        assert archive.poll() is None, archive.stderr.read()
        archive.send_signal(signal.SIGSTOP)
        result = refused(lab.make(node=SHORT, deadline_seconds=2.0), 75)
        assert result.seconds < 20
        archive.send_signal(signal.SIGCONT)
        result = lab.make()
        assert (result.code, result.on_disc) == (0, UIDS)
    finally:
        archive.kill()
        archive.communicate()


def reachable(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.fault("G22", "F46")
def test_an_archive_that_never_stops_answering_is_stopped_at_the_limit(lab, archive):
    def flood(level, answers):
        if level != "IMAGE":
            return answers
        return [changed(answers[0], 0x00080018, f"1.2.3.1.{n}") for n in range(1, 3000)]

    archive.on_find = flood
    result = refused(lab.make(max_instances=500), 85, received=0)
    assert archive.moves == []
    assert result.seconds < 20


@pytest.mark.fault("G24")
def test_an_association_that_the_archive_closed_meanwhile_is_opened_anew(lab, archive):
    """Between two queries, and between query and move."""

    def close(level, answers):
        def cut():
            time.sleep(0.02)
            for association in list(archive.associations):
                association.abort()

        threading.Thread(target=cut).start()
        time.sleep(0.01 if level == "STUDY" else 0)
        return answers

    closed = []
    archive.on_find = lambda level, answers: (
        closed.append(level) or close(level, answers) if len(closed) < 2 else answers
    )
    result = lab.make(node={"retries": 3})
    assert result.code == 0, result.report
    assert result.on_disc == UIDS


@pytest.mark.fault("G11")
@pytest.mark.parametrize("count", ["2", "0", "7", "-3", "999999999999", "x", "3.5"])
def test_counts_that_are_wrong_beside_a_list_are_not_what_counts(lab, archive, count):
    def wrong(_level, answers):
        for tag in (0x00201206, 0x00201208, 0x00201209):
            answers = [changed(keys, tag, count) for keys in answers]
        return answers

    archive.on_find = wrong
    result = lab.make()
    if result.code == 0:
        assert result.on_disc == UIDS
    else:
        refused(result, 85 if len(count) > 5 else 80)
        heals(lab)


@pytest.mark.fault("F14", "F15")
@pytest.mark.parametrize("counts", [False, True])
def test_without_image_level_counts_serve_and_without_both_nothing(lab, archive, counts):
    def on_find(level, answers):
        if level == "IMAGE":
            return 0xA900
        if counts:
            return answers
        return [[key for key in keys if key[0] not in (0x00201208, 0x00201209)] for keys in answers]

    archive.on_find = on_find
    result = lab.make()
    if counts:
        assert (result.code, result.on_disc) == (0, UIDS)
    else:
        refused(result, 80)
        assert value([(1, "LO", b"x ")], 1) == "x"
