"""How many associations a batch asks the archive for, and what is left of them."""

import threading
import time

import pytest
from batch_runs import studies
from scripted_peer import wait_for

from mkiso.batch.worker import World
from mkiso.network.kept_associations import KeptAssociations
from mkiso.pipeline import JobRun
from mkiso.stages import author


@pytest.fixture
def patient(lab):
    """Jobs with so much time that it limits no association."""
    lab.settings["deadline_seconds"] = 3600.0
    studies(lab, *(f"B{n}" for n in range(8)))
    lab.restart()
    return lab


def asked(lab):
    """The associations that were opened at the archive so far."""
    return len(lab.archive.associations)


def nothing_stands(lab):
    return not any(association.is_open for association in lab.archive.associations)


LIST = "".join(f"B{n}\n" for n in range(8))


@pytest.fixture
def growth_threads():
    yield
    ours = {"growth", "idle associations", "look-ahead", "release"}
    wait_for(lambda: not ours & {thread.name for thread in threading.enumerate()}, 30)


@pytest.mark.usefixtures("growth_threads")
def test_consecutive_jobs_share_associations_which_end_with_the_batch(patient, runs, monkeypatch):
    # longer than any machine takes from one job to the next
    monkeypatch.setattr(KeptAssociations.__init__, "__defaults__", (60.0,))
    assert runs.run(LIST).report.code == 0
    # each job of its own would need three: for its list, its C-MOVE, and whether it has grown
    assert asked(patient) < 2 * 8
    wait_for(lambda: nothing_stands(patient), 30)


@pytest.mark.usefixtures("growth_threads")
def test_an_archive_that_takes_one_association_at_a_time_is_held_by_none(patient, runs):
    """What was only idle would stand in the way of the job's own next step."""
    idle = []

    def turned_away(self):
        self.was_turned_away = True

    def on_move(move):
        end = time.monotonic() + 10  # one that was released a moment ago may still be on its way
        while (others := standing() - 1) and time.monotonic() < end:
            time.sleep(0.02)
        idle.append(others)
        move.normally()

    def standing():
        return sum(association.is_open for association in patient.archive.associations)

    patient.archive.on_move = on_move
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobRun, "look_ahead", turned_away)
        assert runs.run(LIST).report.code == 0
    assert idle == [0] * 8


def test_an_archive_that_dies_between_jobs_and_comes_back_costs_no_disc(patient, runs):
    died = []

    def ended(tried, report, _verdict):
        runs.ended.append((tried, report))
        if len(runs.ended) == 3 and not died:
            died.append(tried)
            patient.archive.kill()
            time.sleep(0.3)
            patient.restart()

    done = runs.run(LIST, world=World(ended=ended), max_attempts=9, stop_after_unavailable=50)
    assert (done.report.code, len(died)) == (0, 1)
    assert len(list(patient.output.glob("*.iso"))) == 8


def test_associations_are_released_while_a_long_job_is_retrieved(patient, runs):
    """Others wait for a place at the archive, too."""
    stood = []

    def on_move(move):
        if move.number == 5:
            end = time.monotonic() + 10
            while time.monotonic() < end:
                standing = [a for a in patient.archive.associations if a.is_open]
                if len(standing) == 1:
                    break
                time.sleep(0.05)
            stood.append(len(standing))
        move.normally()

    patient.settings.update(
        stall_timeout_seconds=30.0, first_instance_timeout_seconds=30.0, quiet_period_seconds=1.0
    )
    patient.archive.on_move = on_move
    assert runs.run(LIST).report.code == 0
    assert stood == [1]


def test_whether_a_study_has_grown_is_asked_while_the_one_before_is_finished(
    patient, runs, monkeypatch
):
    moved, grown_asked, in_time = [], set(), []
    real = author.run

    def on_move(move):
        move.normally()
        moved.append(move.uids[0].rsplit(".", 2)[0])

    def on_find(level, answers):
        if level == "SERIES":
            studies = {str(v) for keys in answers for tag, _, v in keys if tag == 0x0020000D}
            grown_asked.update(uid for uid in moved if any(uid in study for study in studies))
        return answers

    def slow(given, *more):
        if given.found.studies[0].study_instance_uid in moved[2:3]:
            end = time.monotonic() + 20
            while not grown_asked.intersection(moved[3:4]):
                if time.monotonic() > end:
                    break
                time.sleep(0.02)
            in_time.append(bool(grown_asked.intersection(moved[3:4])))
        return real(given, *more)

    patient.archive.on_move, patient.archive.on_find = on_move, on_find
    monkeypatch.setattr(author, "run", slow)
    assert runs.run(LIST).report.code == 0
    assert in_time == [True]


@pytest.mark.parametrize("most", [1, 2])
def test_an_archive_with_few_places_is_not_blocked_by_what_is_idle(patient, runs, most):
    patient.node["retries"] = 2
    patient.archive._listener._maximum_associations = most
    ended = runs.run(LIST)
    assert ended.report.code == 0
    assert [row.attempts for row in ended.rows] == [1] * 8
