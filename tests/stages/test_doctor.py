import socket

import pytest

from mkiso.core.job import Node
from mkiso.network.port_lock import PortLock
from mkiso.stages import doctor
from mkiso.stages.doctor import Patient


def answers_of(job, config_file=None):
    answers = doctor.run(Patient(job, config_file, lambda _line: None))
    return {answer.finding.id: answer for answer in answers}


def test_a_healthy_site_gets_good_answers_to_every_question(start_archive, make_job, receiver_port):
    archive = start_archive(CDRECORD=("127.0.0.1", receiver_port))
    answers = answers_of(make_job(archive.port))
    assert {a.code for a in answers.values()} == {0}
    assert set(answers) == {
        "configuration",
        "echo",
        "find",
        "port",
        "addresses",
        "output",
        "space",
        "state",
        "templates",
        "decoders",
    }
    assert f"ABPACS@127.0.0.1:{archive.port}" in answers["configuration"].finding.message
    assert f": 127.0.0.1, port {receiver_port}" in answers["addresses"].finding.message


def test_an_archive_that_is_away_is_75_and_is_not_queried(make_job, free_port):
    answers = answers_of(make_job(free_port))
    assert answers["echo"].code == 75
    assert "nothing listens there" in answers["echo"].finding.message
    assert "find" not in answers


def test_a_wrong_ae_title_is_78_with_both_titles(start_archive, make_job):
    answer = answers_of(make_job(start_archive().port, ae_title="OTHER"))["echo"]
    assert answer.code == 78
    assert "OTHER" in answer.finding.message
    assert "CDRECORD" in answer.finding.message


def test_a_foreign_program_on_our_port_is_75(start_archive, make_job, receiver_port):
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", receiver_port))
        foreign.listen()
        answer = answers_of(make_job(start_archive().port))["port"]
    assert answer.code == 75
    assert str(receiver_port) in answer.finding.message


def test_another_run_on_our_port_is_only_a_warning(start_archive, make_job, receiver_port):
    lock = PortLock(receiver_port)
    lock.acquire(0)
    try:
        answer = answers_of(make_job(start_archive().port))["port"]
    finally:
        lock.release()
    assert (answer.code, answer.finding.severity) == (0, "warning")
    assert "Another run" in answer.finding.message


def test_the_port_is_free_again_after_the_question(start_archive, make_job, receiver_port):
    job = make_job(start_archive().port)
    assert answers_of(job)["port"].code == 0
    with socket.socket() as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ours.bind(("127.0.0.1", receiver_port))
    lock = PortLock(receiver_port)
    lock.acquire(0)
    lock.release()


def test_by_c_get_no_port_is_needed(make_job, free_port):
    answer = doctor.check_port(make_job(free_port, retrieve="get"))
    assert (answer.code, "no port is needed" in answer.finding.message) == (0, True)


def test_an_output_that_is_a_file_is_73(make_job, free_port, tmp_path):
    (tmp_path / "file").write_text("x")
    assert doctor.check_output(make_job(free_port, output_folder=tmp_path / "file")).code == 73


def test_a_missing_output_folder_is_told_and_not_made(make_job, free_port, tmp_path):
    job = make_job(free_port, output_folder=tmp_path / "new")
    assert doctor.check_output(job).code == 0
    assert doctor.check_space(job).code == 0
    assert not (tmp_path / "new").exists()


def test_too_little_space_is_74(make_job, free_port):
    assert doctor.check_space(make_job(free_port, minimum_free_bytes=1 << 60)).code == 74


@pytest.mark.parametrize("content", ["{{ nothing.there }}", "{% if %}"])
def test_a_broken_template_of_the_site_is_78_and_named(make_job, free_port, tmp_path, content):
    (tmp_path / "own" / "disc").mkdir(parents=True)
    (tmp_path / "own" / "disc" / "README.TXT").write_text(content)
    answer = doctor.check_pages(make_job(free_port, templates_folder=tmp_path / "own"))
    assert answer.code == 78
    assert "README.TXT" in answer.finding.message


def test_forward_nodes_are_asked_too(start_archive, make_job, free_port):
    dead = Node("backup", "BACKUP", "127.0.0.1", free_port)
    answers = answers_of(make_job(start_archive().port, forward=(dead,)))
    assert answers["echo.backup"].code == 75
    assert answers["echo"].code == 0


def test_no_answer_holds_patient_data(start_archive, make_job):
    text = " ".join(a.finding.message for a in answers_of(make_job(start_archive().port)).values())
    assert "Doe" not in text
