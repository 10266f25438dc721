import pytest

from mkiso.core.batch_rules import (
    BatchPolicy,
    batch_code,
    is_given_up,
    is_unreachable,
    verdict,
)
from mkiso.core.exit_codes import EXIT_CODES
from mkiso.core.job import Job, Node
from mkiso.core.job_queue import DONE, FAILED, WAITING, QueuedJob
from mkiso.core.report import Report

POLICY = BatchPolicy(max_attempts=3, first_pause_seconds=30.0, longest_pause_seconds=100.0)
JOB = Job("j", ("A1",), Node("n", "AE", "h", 1))


def judged(code, tries=1, attempts=None):
    tried = QueuedJob(JOB, "running", tries=tries, attempts=attempts or tries)
    return verdict(Report(code, ""), tried, POLICY, now=1000.0)


def test_a_success_is_done_and_never_comes_back():
    assert judged(0).state == DONE


@pytest.mark.parametrize("code", [75, 80, 84])
def test_what_may_pass_is_tried_again_with_doubling_pauses_up_to_the_limit(code):
    assert (judged(code, 1).state, judged(code, 1).not_before) == (WAITING, 1030.0)
    assert judged(code, 2).not_before == 1060.0
    assert judged(code, 3).state == FAILED


def test_a_pause_never_exceeds_the_longest():
    assert POLICY.pause_seconds(60) == 100.0


def test_an_incomplete_job_counts_the_attempts_of_all_runs():
    assert judged(80, tries=1, attempts=3).state == FAILED
    assert judged(75, tries=1, attempts=30).state == WAITING


def test_a_disk_may_err_once():
    assert [judged(83, n).state for n in (1, 2)] == [WAITING, FAILED]


@pytest.mark.parametrize("row", EXIT_CODES, ids=lambda row: row.name)
def test_every_other_failure_is_final_for_this_run(row):
    waits = {75, 80, 83, 84, 130, 143}
    if row.code:
        assert judged(row.code).state == (WAITING if row.code in waits else FAILED)


def test_a_signal_leaves_a_job_as_it_was():
    assert judged(143, tries=99).state == WAITING


@pytest.mark.parametrize(
    ("code", "attempts", "given_up"),
    [(81, 1, True), (82, 1, True), (80, 2, False), (80, 3, True), (75, 99, False), (66, 9, False),
     (None, 9, False)],
)  # fmt: skip
def test_what_a_later_run_leaves_alone(code, attempts, given_up):
    assert is_given_up(code, attempts, POLICY) is given_up


@pytest.mark.parametrize(
    ("codes", "stopped_by", "code"),
    [
        ([], 0, 0),
        ([0, 0], 0, 0),
        ([0, 66, 66], 0, 66),
        ([66, 80], 0, 10),
        ([66, 75], 0, 10),
        ([66, 81, 80], 0, 81),
        ([66, 83], 0, 83),
        ([83, 81], 0, 81),
        ([0, 75, 75], 75, 75),
        ([66, 75], 75, 75),
        ([81, 75], 75, 81),
        ([0, 66], 143, 143),
    ],
)
def test_the_code_of_a_batch(codes, stopped_by, code):
    assert batch_code(codes, stopped_by=stopped_by) == code


def test_unreachable_is_only_who_answered_nothing():
    assert is_unreachable(Report(75, ""))
    assert not is_unreachable(Report(75, "", expected=3))
    assert not is_unreachable(Report(75, "", received=1))
    assert not is_unreachable(Report(78, ""))
