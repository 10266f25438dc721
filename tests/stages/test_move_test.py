import socket

from mkiso.stages import move_test


def test_one_small_instance_comes_back(start_archive, make_job, receiver_port, tmp_path):
    archive = start_archive(CDRECORD=("127.0.0.1", receiver_port))
    log = []
    answer = move_test.run(make_job(archive.port), "A1", log.append)
    assert answer.code == 0, answer
    assert "from 127.0.0.1 with the AE title ABPACS" in answer.finding.message
    assert any("C-MOVE IMAGE" in line for line in log)
    assert not list(tmp_path.rglob("*.dcm"))


def test_the_instance_is_of_the_smallest_series(start_archive, make_job):
    found = move_test.find_small_instance(make_job(start_archive().port), "A1", lambda _line: None)
    assert found.sop_instance_uid == "1.2.3.2.1"


def test_an_unknown_destination_is_78_and_tells_how_to_register(start_archive, make_job):
    answer = move_test.run(make_job(start_archive().port), "A1", lambda _line: None)
    assert answer.code == 78
    assert any('"DicomModalities"' in line for line in answer.details)


def test_a_sender_that_may_not_send_yet_is_told_with_the_setting(
    start_archive, make_job, receiver_port
):
    archive = start_archive(CDRECORD=("127.0.0.1", receiver_port))
    job = make_job(archive.port, send_as=("SOMEBODY",))
    answer = move_test.run(job, "A1", lambda _line: None)
    assert answer.code == 78
    assert 'send_as = ["ABPACS"]' in answer.details
    assert "[nodes.abpacs]" in answer.finding.message


def test_a_destination_at_a_dead_address_is_told(start_archive, make_job, free_port):
    archive = start_archive(CDRECORD=("127.0.0.1", free_port))
    answer = move_test.run(make_job(archive.port), "A1", lambda _line: None)
    assert answer.code in (75, 78)
    assert answer.finding.severity == "error"
    assert any("CDRECORD" in line for line in answer.details)


def test_an_unknown_accession_number_is_66(start_archive, make_job):
    answer = move_test.run(make_job(start_archive().port), "NONE", lambda _line: None)
    assert answer.code == 66


def test_a_foreign_program_on_our_port_is_75(start_archive, make_job, receiver_port):
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", receiver_port))
        foreign.listen()
        answer = move_test.run(make_job(start_archive().port), "A1", lambda _line: None)
    assert answer.code == 75
