"""Runs over a list: what is done, what is not done again, and how a run ends."""

import json
import threading
import time

import jsonschema
import pytest
from batch_runs import Runs, codes, states, studies
from cli_schema import SCHEMA
from whole_jobs import PATIENT, SECRETS, instance, save

from mkiso.batch.worker import World
from mkiso.core.report import message_lines
from mkiso.errors import CantCreateError, TemporaryError, TerminatedJobError
from mkiso.pipeline import JobRun
from mkiso.stages import verify
from mkiso.storage import job_book
from mkiso.storage.ledger_access import BatchLock, LedgerFile


def discs(lab):
    return sorted(path.name for path in lab.output.glob("*.iso"))


def everything(lab, ended):
    texts = [path.read_text() for path in (lab.folder / "state" / "jobs").iterdir()]
    return " ".join([*texts, json.dumps(ended.report.to_dict())])


@pytest.mark.fault("F75")
def test_every_line_becomes_a_disc(lab, runs):
    ended = runs.run("A1\nA2\nA3\n")
    assert (ended.report.code, codes(ended), states(ended)) == (0, [0] * 3, ["done"] * 3)
    assert discs(lab) == ["A1.iso", "A2.iso", "A3.iso"]
    assert message_lines(ended.report) == []  # cron mails what is said
    assert ended.report.message == "3 jobs: 3 done."
    lab.check_free()
    assert list(lab.output.glob(".mkiso-*")) == []


def test_a_second_run_does_only_what_is_not_done(lab, runs):
    runs.run("A1\nA2\n")
    before = len(lab.archive.moves)
    modified = (lab.output / "A1.iso").stat().st_mtime_ns
    ended = runs.run("A1\nA2\nA3\n")
    assert [move.uids for move in lab.archive.moves[before:]] == [lab.archive.moves[-1].uids]
    assert len(lab.archive.moves) == before + 1
    assert (lab.output / "A1.iso").stat().st_mtime_ns == modified
    assert ended.report.message == "3 jobs: 3 done (2 earlier)."
    assert ended.report.jobs[0]["discs"][0]["path"].endswith("A1.iso")


def test_a_disc_that_was_taken_away_is_not_made_again(lab, runs):
    runs.run("A1\n")
    (lab.output / "A1.iso").unlink()
    assert runs.run("A1\n").report.code == 0
    assert discs(lab) == []


@pytest.mark.fault("F75")
def test_each_kind_of_failure_has_its_line_and_the_others_run(lab, runs):
    ended = runs.run("A1\nNONE\nB*\nA2\n")
    assert codes(ended) == [0, 66, 65, 0]
    assert ended.report.code == 10
    lines = message_lines(ended.report)
    assert len(lines) == 2
    assert lines[0].startswith("line 2, NONE: ")
    assert lines[0].endswith("[66 NOT_FOUND]")
    assert lines[1].startswith("line 3: The line has an accession number that contains '*'")
    assert lines[1].endswith("[65 DATA]")


@pytest.mark.fault("F75")
@pytest.mark.parametrize(("text", "code"), [("A1\nNONE\nNADA\n", 66), ("A1\nB*\n", 65)])
def test_one_kind_of_failure_is_the_code_of_the_run(runs, text, code):
    assert runs.run(text).report.code == code


def test_two_patients_under_one_number_are_never_tried_again(lab, runs):
    for patient in ("P1", "P2"):
        ds = instance(f"1.9.{patient[1]}", AccessionNumber="TWICE", PatientID=patient)
        save(lab.images, f"twice/{patient}", ds)
        lab.archive.rescan(lab.images / "twice" / patient)
    first = runs.run("TWICE\nNONE\n")
    assert (first.report.code, codes(first)) == (10, [82, 66])
    before = len(runs.ended)
    second = runs.run("TWICE\nNONE\n")
    assert codes(second) == [82, 66]
    assert [tried.job.accession_numbers for tried, *_ in runs.ended[before:]] == [("NONE",)]
    assert "(not tried again)" in message_lines(second.report)[0]


def test_an_instance_of_another_study_wins_over_other_failures(lab, runs):
    other = instance("1.9.9", AccessionNumber="XX")

    def wrong(move):
        with move.associated() as association:
            move.store(association, other)
        move.finish(0, completed=3)

    lab.archive.on_move = wrong
    ended = runs.run("A1\nNONE\n")
    assert sorted(codes(ended)) == [66, 81]
    assert ended.report.code == 81


def test_an_incomplete_job_is_tried_up_to_its_limit_and_then_left(lab, runs):
    lab.archive.on_move = lambda move: move.normally(
        drop=[i for i in move.uids if i.endswith(".1")]
    )
    ended = runs.run("A1\n", max_attempts=2)
    assert (codes(ended), len(runs.ended)) == ([80], 2)
    assert list(lab.output.glob(".mkiso-*")) == []
    runs.run("A1\n", max_attempts=2)
    assert len(runs.ended) == 2
    lab.archive.on_move = None
    (job_id,) = {tried.job.job_id for tried, *_ in runs.ended}
    file = LedgerFile(runs.ledger_path)
    job_book.retry_job(file, job_id)
    file.close()
    assert runs.run("A1\n", max_attempts=2).report.code == 0
    assert list(lab.output.glob(".mkiso-*")) == []


def test_what_came_of_an_incomplete_job_is_not_asked_for_again(lab, runs):
    first = threading.Event()

    def once_short(move):
        if first.is_set():
            move.normally()
            return
        first.set()
        move.normally(drop=move.uids[:1])
        lab.archive.on_move = short_still

    def short_still(move):
        if len(runs.ended) == 0:
            move.finish(0xA702, failed=1)
        else:
            move.normally()

    lab.archive.on_move = once_short
    ended = runs.run("A1\n")
    assert (ended.report.code, len(runs.ended)) == (0, 2)
    last = lab.archive.moves[-1]
    assert (last.level, len(last.uids)) == ("IMAGE", 1)


def test_a_busy_archive_is_asked_again_after_a_pause(lab, runs):
    asked = []

    def busy_once(move):
        asked.append(time.monotonic())
        if len(asked) == 1:
            move.finish(0xA701)
        else:
            move.normally()

    lab.archive.on_move = busy_once
    ended = runs.run("A1\nA2\n")
    assert ended.report.code == 0
    attempts = runs.rows("SELECT number, code FROM attempts ORDER BY job_id, number")
    assert sorted(attempts) == [(1, 0), (1, 75), (2, 0)]


@pytest.mark.fault("F76")
def test_an_archive_that_is_away_ends_the_run_and_leaves_the_rest(lab, runs):
    lab.archive.stop()
    ended = runs.run("A1\nA2\nA3\nA4\n", stop_after_unavailable=2)
    assert ended.report.code == 75
    assert len(runs.ended) == 2
    assert [row.code for row in ended.rows].count(None) == 2
    assert "2 jobs in a row" in message_lines(ended.report)[-1]
    assert "4 left for the next run" in ended.report.message
    lab.restart()
    assert runs.run("A1\nA2\nA3\nA4\n").report.code == 0


@pytest.mark.fault("F76")
def test_an_archive_that_dies_half_way_and_comes_back(lab, runs):
    lab.archive.on_move = lambda move: (move.send(move.instances[:1]), lab.archive.kill())
    died = []

    def ended(tried, report, _verdict):
        runs.ended.append((tried, report))
        if report.code == 75 and not died:
            died.append(tried)
            lab.restart()

    done = runs.run("A1\nA2\n", world=World(ended=ended))
    assert (done.report.code, states(done)) == (0, ["done", "done"])
    assert died
    assert discs(lab) == ["A1.iso", "A2.iso"]
    moved = [(move.level, len(move.uids)) for move in lab.archive.moves]
    assert ("IMAGE", 2) in moved  # the third instance was on the disk already


def test_a_signal_leaves_the_rest_for_the_next_run(lab, runs):
    ended_jobs = []

    def require_running():
        if ended_jobs:
            raise TerminatedJobError("Terminated; nothing was published.")

    world = World(require_running=require_running, ended=lambda tried, *_: ended_jobs.append(tried))
    ended = runs.run("A1\nA2\nA3\nA4\n", world=world)
    assert ended.report.code == 143
    assert set(states(ended)) <= {"done", "waiting"}
    assert "waiting" in states(ended)
    assert list(lab.output.glob(".mkiso-*")) == []
    assert runs.run("A1\nA2\nA3\nA4\n").report.code == 0


def test_a_job_is_retrieved_while_the_one_before_is_finished(lab, runs, monkeypatch):
    second_asked, verified = threading.Event(), []
    real = verify.run

    def slow_verify(*given):
        verified.append(second_asked.wait(10))
        return real(*given)

    monkeypatch.setattr(verify, "run", slow_verify)

    def on_move(move):
        if move.number == 1:
            second_asked.set()
        move.normally()

    lab.archive.on_move = on_move
    assert runs.run("A1\nA2\n").report.code == 0
    assert verified == [True, True]


def test_cells_of_a_line_are_for_that_line_alone(lab, runs):
    listed = "accession_numbers,modality,output,name\nA1,CT,ward,first\nA2,MR,,\nA3,,,../x\nA4,,,\n"
    lab.output.mkdir()
    ended = runs.run(listed)
    assert codes(ended) == [0, 66, 65, 0]
    assert (lab.output / "ward" / "first.iso").is_file()
    assert discs(lab) == ["A4.iso"]


def test_a_node_that_is_not_configured_is_a_malformed_line(runs):
    ended = runs.run("accession_numbers,forward\nA1,nowhere\nA2,\n")
    assert codes(ended) == [65, 0]


def test_patient_and_day_are_looked_up(lab, runs):
    same_patient = instance("1.7.1", AccessionNumber="Z1", PatientID="PIDQ77-A1")
    same_patient.StudyDate = "20260201"
    lab.archive.rescan(save(lab.images, "other/day", same_patient))
    ended = runs.run(
        "patient_id,study_date,accession_numbers\n"
        "PIDQ77-A1,2026-01-31,\n"
        "PIDQ77-A2,20260131,A2\n"
        "PIDQ77-A3,20260131,A4\n"
        "PIDQ77-A3,20260130,\n"
        "NOBODY,20260131,\n"
    )
    assert codes(ended) == [0, 0, 66, 66, 66]
    asked = runs.rows("SELECT value FROM jobs")
    assert "PIDQ77" not in json.dumps(asked)
    assert [word for word in SECRETS if word in everything(lab, ended)] == []
    uids = {uid for move in lab.archive.moves for uid in move.uids}
    assert not any(uid.startswith("1.7.1") for uid in uids)


def test_patients_of_an_archive_that_is_away_are_left_for_the_next_run(lab, runs):
    lab.archive.stop()
    text = "patient_id,study_date\n" + "".join(f"P{n},20260131\n" for n in range(5))
    ended = runs.run(text, stop_after_unavailable=2)
    assert (ended.report.code, codes(ended)) == (75, [75, 75, None, None, None])


def test_a_person_cancels_a_running_job(lab, runs):
    reached = threading.Event()
    lab.settings.update(PATIENT)
    lab.archive.on_move = lambda move: (reached.set(), lab.archive.released.wait(20))

    def cancel():
        assert reached.wait(20)
        file = LedgerFile(runs.ledger_path)
        (job,) = job_book.list_jobs(file, ("running",))
        assert job_book.cancel_job(file, job["job"]) == "cancelling"
        file.close()

    thread = threading.Thread(target=cancel)
    thread.start()
    ended = runs.run("A1\n")
    thread.join()
    assert states(ended) == ["cancelled"]
    assert ended.report.code == 0
    assert states(runs.run("A1\n")) == ["cancelled"]
    assert len(lab.archive.moves) == 1
    assert discs(lab) == []


def test_a_run_without_a_list_does_what_the_ledger_has_open(lab, runs):
    lab.archive.stop()
    runs.run("A1\nA2\n", stop_after_unavailable=1)
    lab.restart()
    ended = runs.run("", open_jobs=True)
    assert (ended.report.code, states(ended)) == (0, ["done", "done"])
    assert [row.line for row in ended.rows] == [0, 0]
    assert runs.run("", open_jobs=True).rows == ()


@pytest.mark.fault("F78")
def test_two_runs_at_once_and_the_second_ends_with_75(runs):
    runs.run("A1\n")
    lock = BatchLock(runs.ledger_path)
    try:
        with pytest.raises(TemporaryError, match="Another batch"):
            runs.run("A2\n")
    finally:
        lock.release()
    assert runs.run("A2\n").report.code == 0


def test_a_ledger_that_cannot_be_opened_ends_the_run(tmp_path):
    with pytest.raises(CantCreateError, match="--jobs-db"):
        LedgerFile(tmp_path / "missing" / "ledger.sqlite3")


def test_the_report_is_what_its_schema_says(lab, runs):
    lab.output.mkdir()
    ended = runs.run("A1\nNONE\nB*\n")
    jsonschema.validate(json.loads(json.dumps(ended.report.to_dict())), SCHEMA)


@pytest.mark.fault("F77")
def test_ten_thousand_lines_most_of_them_nothing_to_do(lab, runs):
    lines = [f"accession {n} is too long to be one" for n in range(4000)]
    lines += ["A1", "A2"] * 3000
    began = time.monotonic()
    ended = runs.run("\n".join(lines))
    assert (len(ended.rows), ended.report.code) == (4002, 65)
    assert len(ended.report.warnings) == 5998
    assert time.monotonic() - began < 90


@pytest.mark.timeout(600)
def test_ten_thousand_jobs_in_the_ledger(lab, runs):
    """Entering and looking through them is quick; only two of them are new."""
    numbers = [f"N{n}" for n in range(10_000)]
    lab.archive.stop()
    began = time.monotonic()
    first = runs.run("\n".join(numbers), stop_after_unavailable=1)
    assert (first.report.code, len(first.rows)) == (75, 10_000)
    runs.rows("SELECT 1")
    file = LedgerFile(runs.ledger_path)
    with file.transaction() as connection:
        connection.execute("UPDATE jobs SET state = 'done', code = 0")
    file.close()
    lab.restart()
    ended = runs.run("\n".join(["A1", *numbers, "A2"]))
    assert ended.report.code == 0
    assert ended.report.message == "10002 jobs: 10002 done (10000 earlier)."
    assert time.monotonic() - began < 150


def test_runs_of_other_lists_do_not_mix(lab):
    first, second = Runs(lab), Runs(lab)
    lab.archive.stop()
    first.run("A1\nA2\n", stop_after_unavailable=1)
    lab.restart()
    studies(lab, "A9")
    ended = second.run("A3\n")
    assert [row.accessions for row in ended.rows] == [("A3",)]
    assert discs(lab) == ["A3.iso"]


def test_the_archive_is_asked_about_the_next_job_while_one_is_retrieved(lab, runs):
    asked, in_time = set(), []

    def on_find(level, answers):
        if level == "IMAGE":
            asked.update(
                str(value) for keys in answers for tag, _, value in keys if tag == 0x0020000D
            )
        return answers

    def on_move(move):
        if move.number == 0:
            end = time.monotonic() + 20
            while len(asked) < 2 and time.monotonic() < end:  # one of them is this job's
                time.sleep(0.02)
            in_time.append(len(asked) > 1)
        move.normally()

    lab.archive.on_find, lab.archive.on_move = on_find, on_move
    lab.settings.update(PATIENT)
    assert runs.run("A1\nA2\n").report.code == 0
    assert in_time == [True]


def test_a_job_that_was_only_looked_up_counts_as_not_tried(lab, runs):
    """The second is looked up while the first is retrieved; the run is stopped then."""
    stop = threading.Event()

    def on_move(move):
        time.sleep(0.3)
        stop.set()
        lab.archive.released.wait(10)

    def require_running():
        if stop.is_set():
            raise TerminatedJobError("Terminated; nothing was published.")

    lab.archive.on_move = on_move
    lab.settings.update(PATIENT)
    ended = runs.run("A1\nA2\n", world=World(require_running=require_running))
    assert (ended.report.code, codes(ended)) == (143, [143, None])
    assert [row.attempts for row in ended.rows] == [1, 0]
    assert runs.rows("SELECT COUNT(*) FROM attempts") == [(1,)]
    assert list(lab.output.glob(".mkiso-*")) == []
    lab.archive.on_move = None
    assert runs.run("A1\nA2\n").report.code == 0


def test_a_study_that_grows_meanwhile_is_asked_for_its_rest(lab, runs):
    """From the third job on the growth is looked for beside the next retrieval."""
    grown = []

    def on_move(move):
        move.normally()
        if move.number == 2 and not grown:
            study, series, _ = move.uids[0].rsplit(".", 2)
            ds = instance(study, int(series), 9, AccessionNumber="A3", PatientID="PIDQ77-A3")
            grown.append(ds.SOPInstanceUID)
            lab.archive.rescan(save(lab.images, f"{study}/9", ds))

    lab.archive.on_move = on_move
    ended = runs.run("A1\nA2\nA3\nA4\n")
    assert ended.report.code == 0
    assert [row.attempts for row in ended.rows] == [1, 1, 2, 1]
    assert ended.rows[2].discs[0]["instances"] == 4
    assert lab.archive.moves[-1].uids == grown


def test_an_archive_that_takes_one_association_at_a_time_is_no_failure(lab, runs):
    looked = []

    def turned_away(self):
        looked.append(self)
        self.was_turned_away = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobRun, "look_ahead", turned_away)
        ended = runs.run("A1\nA2\nA3\n")
    assert (ended.report.code, len(looked)) == (0, 1)
    assert [row.attempts for row in ended.rows] == [1, 1, 1]
