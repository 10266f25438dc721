"""Whole jobs against archives whose lists are short, late, changing or not there."""

import json
import threading
import time

import pytest
from odd_archive import NUMBERS_OF_INSTANCES, SOP_INSTANCE_UID, no_image_level, without
from whole_jobs import PATIENT, check_path, instance, save

UIDS = {f"1.2.3.1.{n}" for n in (1, 2, 3, 4)}
HIDDEN = "1.2.3.1.4"


def value(keys, tag):
    return next((raw.decode().strip(" \0") for key, _, raw in keys if key == tag), "")


def changed(keys, tag, text):
    return [(key, vr, text.encode() if key == tag else raw) for key, vr, raw in keys]


def hiding(is_hidden):
    """An `on_find` that does not list HIDDEN, nor count it, while `is_hidden()`."""

    def on_find(_level, answers):
        if not is_hidden():
            return answers
        listed = [keys for keys in answers if value(keys, SOP_INSTANCE_UID) != HIDDEN]
        for tag in NUMBERS_OF_INSTANCES:
            listed = [changed(keys, tag, "3") for keys in listed]
        return listed

    return on_find


def refused(result, code):
    assert (result.code, result.discs) == (code, []), result.report


def test_a_number_that_is_not_there_is_named_in_the_report(lab, archive):
    result = lab.make("A1", "NOPE")
    refused(result, 66)
    assert result.report["not_found"] == ["NOPE"]
    none = lab.make("NOPE", "NADA", skip_not_found=True)
    refused(none, 66)
    assert none.report["not_found"] == ["NOPE", "NADA"]


def test_a_failure_is_said_once_with_the_live_log(lab, archive):
    result = lab.make("NOPE", surroundings={"log_live": True})
    assert [line for line in result.said if "was not found" in line] == []  # the end says it
    assert result.log.count("was not found") == 1
    assert any(line.startswith("C-FIND STUDY") for line in result.said)


# --- the list changes


def test_an_instance_that_is_listed_only_later_is_on_the_disc(lab, archive):
    """It came with the others before the archive listed it."""
    archive.on_find = hiding(lambda: not archive.moves)
    result = lab.make()
    assert result.code == 0
    assert result.on_disc == UIDS
    assert len(archive.moves) == 1


@pytest.mark.fault("G02")
def test_a_study_that_has_grown_is_asked_for_what_is_new(lab, archive):
    archive.on_find = hiding(lambda: not archive.moves)
    archive.on_move = lambda move: (
        move.send([i for i in move.instances if move.number or i.sop_instance_uid != HIDDEN]),
        move.finish(0x0000),
    )
    result = lab.make(quiet_period_seconds=0)
    assert result.code == 0
    assert result.on_disc == UIDS
    assert [(m.level, m.uids) for m in archive.moves[1:]] == [("IMAGE", [HIDDEN])]


def test_a_new_study_under_the_accession_number_is_fetched_too(lab, archive):
    def with_another(move):
        move.normally()
        if not move.number:
            path = save(lab.images, "new/1", instance(study="1.2.3.7"))
            archive.rescan(path)

    archive.on_move = with_another
    result = lab.make()
    assert result.code == 0, result.report
    assert result.on_disc == UIDS | {"1.2.3.7.1.1"}
    assert len(result.report["studies"]) == 2


def test_what_is_never_listed_is_not_put_on_a_disc(lab, archive):
    archive.on_find = hiding(lambda: True)
    result = lab.make()
    refused(result, 80)
    assert result.report["details"] == [HIDDEN]
    assert "does not list" in result.message
    wanted = lab.make(allow_incomplete=True)
    assert wanted.code == 80
    assert [disc.name for disc in wanted.discs] == ["A1.INCOMPLETE.iso"]
    assert wanted.report["discs"][0]["complete"] is False


@pytest.mark.fault("G02")
def test_a_study_that_grows_all_the_time_is_80(lab, archive):
    def growing(move):
        move.normally()
        archive.rescan(save(lab.images, f"g{move.number}", instance(number=50 + move.number)))

    archive.on_move = growing
    result = lab.make()
    refused(result, 80)
    assert "still growing" in result.message


def test_what_comes_unlisted_after_the_last_look_is_noticed(lab, archive):
    state = {}
    archive.on_move = lambda move: (state.update(move=move), move.normally())

    def sends_while_asked(level, answers):
        if state and level == "SERIES":
            with state["move"].associated() as association:
                state["move"].store(association, instance(number=99))
        return answers

    archive.on_find = sends_while_asked
    result = lab.make()
    refused(result, 80)
    assert result.report["details"] == ["1.2.3.1.99"]


def test_an_archive_that_is_gone_at_the_last_look_is_75(lab, archive):
    archive.on_move = lambda move: (move.normally(), archive.kill())
    refused(lab.make(), 75)
    lab.restart()
    assert lab.make().on_disc == UIDS


# --- counts instead of lists


def test_counts_are_enough_when_they_agree(lab, archive):
    archive.on_find = no_image_level()
    result = lab.make()
    assert result.code == 0
    assert result.on_disc == UIDS
    assert result.report["expected"] == 4


@pytest.mark.fault("F14")
def test_lists_are_enough_without_counts(lab, archive):
    """dcmqrscp."""
    archive.on_find = without(*NUMBERS_OF_INSTANCES)
    result = lab.make()
    assert result.code == 0
    assert result.on_disc == UIDS


@pytest.mark.fault("G10", "G11")
def test_a_count_that_is_not_reached_is_80_after_a_retry_by_series(lab, archive):
    archive.on_find = no_image_level()
    archive.on_move = lambda move: move.normally(drop={HIDDEN})
    result = lab.make()
    refused(result, 80)
    assert "1 of 4 instances did not arrive" in result.message
    assert "named" not in result.message
    disc = lab.make(allow_incomplete=True, name="gap")
    sidecar = json.loads((lab.output / "gap.INCOMPLETE.json").read_text())
    assert sidecar["missing_by_count"] == [
        {"series_instance_uid": "1.2.3.1", "study_instance_uid": "1.2.3", "missing": 1}
    ]
    (finding,) = check_path(disc.discs[0]).errors
    assert "1 instance known to be missing" in finding.message
    assert b"1 of series 1.2.3.1, which the archive counts" in disc.discs[0].read_bytes()
    del archive.moves[2:]
    assert [move.level for move in archive.moves] == ["STUDY", "SERIES"]
    for path in lab.output.iterdir():
        path.unlink()
    archive.on_move = None
    assert lab.make().on_disc == UIDS


def test_a_late_image_of_a_counted_study_ends_the_wait(lab, archive):
    def late(move):
        threading.Thread(target=lambda: (time.sleep(0.3), move.send()), daemon=True).start()
        move.finish(0x0000, completed=4)

    archive.on_find, archive.on_move = no_image_level(), late
    result = lab.make(**PATIENT)
    assert result.code == 0
    assert result.seconds < 20


@pytest.mark.fault("G11")
def test_more_than_was_counted_is_80(lab, archive):
    def three(_level, answers):
        for tag in NUMBERS_OF_INSTANCES:
            answers = [changed(keys, tag, "3") for keys in answers]
        return answers

    archive.on_find = no_image_level(three)
    refused(lab.make(), 80)


# --- neither


NEITHER = no_image_level(without(*NUMBERS_OF_INSTANCES))


@pytest.mark.fault("F15")
def test_without_lists_and_counts_there_is_no_disc(lab, archive):
    archive.on_find = NEITHER
    result = lab.make()
    refused(result, 80)
    assert result.report["received"] == 4
    assert result.report["expected"] is None
    assert "--allow-incomplete" in result.message


def test_without_lists_and_counts_a_person_may_have_a_disc_that_says_so(lab, archive):
    archive.on_find = NEITHER
    result = lab.make(allow_incomplete=True)
    assert result.code == 80
    assert [disc.name for disc in result.discs] == ["A1.INCOMPLETE.iso"]
    assert result.on_disc == UIDS
    assert "--allow-incomplete" not in result.message


def test_without_lists_and_counts_an_early_success_is_waited_for(lab, archive):
    def late(move):
        threading.Thread(target=lambda: (time.sleep(0.3), move.send()), daemon=True).start()
        move.finish(0x0000)

    archive.on_find, archive.on_move = NEITHER, late
    result = lab.make(allow_incomplete=True, quiet_period_seconds=4.0)
    assert result.on_disc == UIDS


def test_without_lists_and_counts_the_reason_of_a_failure_is_still_told(lab, archive):
    archive.on_find = NEITHER
    archive.on_move = lambda move: move.finish(0xA801)
    refused(lab.make(), 78)
    archive.on_move = lambda move: move.finish(0xC000)
    refused(lab.make(), 78)


@pytest.mark.fault("G21")
@pytest.mark.parametrize("on_find", [no_image_level(), None], ids=["counted", "listed"])
def test_a_study_without_instances_is_not_found(lab, archive, on_find):
    def empty(level, answers):
        if level == "IMAGE":
            return on_find(level, answers) if on_find else []
        for tag in NUMBERS_OF_INSTANCES:
            answers = [changed(keys, tag, "0") for keys in answers]
        return answers

    archive.on_find = empty
    archive.on_move = lambda move: move.finish(0x0000)
    result = lab.make()
    refused(result, 66)
    assert "not a single instance" in result.message
