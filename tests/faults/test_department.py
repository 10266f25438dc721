"""Faults of an ordinary week in a radiology department, and of the machine mkiso runs on."""

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
from faults.whole import UIDS, changed, heals, refused
from odd_archive import encoded
from whole_jobs import SECRETS, instance, save, study

import mkiso.disc.image_hashes

MERGED = {"PatientID": "MERGED1"}


def store_all(move, data_sets):
    """Send these data sets over one association; say that all went well."""
    with move.associated() as association:
        statuses = [move.store(association, each) for each in data_sets]
    move.finish(0x0000, completed=len(statuses))
    return statuses


# --- the archive


@pytest.mark.fault("G01", "F34")
def test_a_study_that_another_workflow_has_sent_us_too_is_there_once(lab, archive):
    def on_move(move):
        others = [threading.Thread(target=move.send) for _ in range(2)]
        for each in others:
            each.start()
        move.send()
        for each in others:
            each.join()
        move.finish(0x0000, completed=len(move.instances))

    archive.on_move = on_move
    result = lab.make()
    assert (result.code, result.report["received"]) == (0, 3)
    assert result.on_disc == UIDS


@pytest.mark.fault("G02")
@pytest.mark.parametrize("rounds", [1, 2])
def test_a_study_that_grows_while_it_is_fetched_is_fetched_whole(lab, archive, rounds):
    """The scanner sends a new slice after each of our first requests."""
    new = []

    def on_move(move):
        move.send()
        if len(new) < rounds:
            number = 10 + len(new)
            new.append(f"1.2.3.1.{number}")
            archive.rescan(save(lab.images, f"late{number}", instance(number=number)))
        move.finish(0x0000, completed=len(move.instances))

    archive.on_move = on_move
    result = lab.make()
    assert result.code == 0, result.report
    assert result.on_disc == UIDS | set(new)


@pytest.mark.fault("G02")
def test_a_study_that_never_stops_growing_is_no_disc(lab, archive):
    count = iter(range(10, 1000))

    def on_move(move):
        move.send()
        number = next(count)
        archive.rescan(save(lab.images, f"late{number}", instance(number=number)))
        move.finish(0x0000, completed=len(move.instances))

    archive.on_move = on_move
    result = refused(lab.make(), 80)
    assert "growing" in result.message


@pytest.mark.fault("G03", "F31")
@pytest.mark.parametrize("nth", [0, 1, 2])
def test_a_patient_who_is_merged_while_the_study_is_sent_is_no_disc(lab, archive, nth):
    """From the nth object on the archive writes the new PatientID into what it sends."""

    def on_move(move):
        sets = [move.read(n) for n in range(len(move.instances))]
        for each in sets[nth + 1 :] if nth < 2 else sets[:1]:
            each.PatientID = MERGED["PatientID"]
        store_all(move, sets)

    archive.on_move = on_move
    result = refused(lab.make(per_patient=True, same_patient=True), 81)
    assert "MERGED1" not in json.dumps(result.report) + result.log
    heals(lab)


@pytest.mark.fault("G03")
def test_a_patient_who_is_merged_as_a_whole_before_the_move_is_one_patient(lab, archive):
    """The list says the old PatientID, every object the new one: one patient, one disc."""

    def on_move(move):
        sets = [move.read(n) for n in range(len(move.instances))]
        for each in sets:
            each.PatientID = MERGED["PatientID"]
        store_all(move, sets)

    archive.on_move = on_move
    result = lab.make()
    assert result.code == 0, result.report
    assert result.on_disc == UIDS


@pytest.mark.fault("G04", "F31")
@pytest.mark.parametrize(
    ("name", "code"),
    [("Quux^Zebulon^", 0), ("QUUX^ZEBULON", 0), ("Quux^Zebulon=", 0), ("Quux^Zeb", 81), ("", 0)],
)
def test_a_name_that_is_corrected_while_the_study_is_sent(lab, archive, name, code):
    """Trailing carets, missing groups and case are no other name; another name is."""

    def on_move(move):
        sets = [move.read(n) for n in range(len(move.instances))]
        sets[-1].PatientName = name
        store_all(move, sets)

    archive.on_move = on_move
    result = lab.make()
    assert result.code == code, result.report
    if code:
        heals(lab)


@pytest.mark.fault("G05", "F17")
def test_a_study_that_is_deleted_after_the_list_is_missing_by_name(lab, archive):
    archive.on_move = lambda move: move.finish(0x0000, completed=0, failed=0)
    result = refused(lab.make(), 80, received=0)
    assert result.missing == UIDS


@pytest.mark.fault("G05", "F10")
def test_a_study_that_gets_another_number_during_the_job_is_no_disc(lab, archive):
    """The second look at the list finds nothing under the number any more."""
    moved = threading.Event()

    def on_find(_level, answers):
        return [changed(k, 0x00080050, "B7") for k in answers] if moved.is_set() else answers

    archive.on_find = on_find
    archive.on_move = lambda move: (move.normally(), moved.set())
    result = lab.make()
    assert result.code in (66, 80), result.report
    assert result.discs == []
    heals(lab)


@pytest.mark.fault("G09", "F35")
def test_an_instance_that_is_replaced_between_two_requests_is_no_disc(lab, archive):
    def on_move(move):
        if move.number == 0:
            move.send(move.instances[:2])
            move.finish(0xB000, completed=2, failed=1)
            return
        other = instance(number=1, StudyDescription="windowed anew")
        store_all(move, [other, *(move.read(n) for n in range(len(move.instances)))])

    archive.on_move = on_move
    result = refused(lab.make(), 81)
    assert result.report["details"] == ["1.2.3.1.1"]
    heals(lab)


@pytest.mark.fault("G10", "F20")
def test_an_object_that_is_listed_and_never_sent_is_a_gap_that_is_named(lab, archive):
    """Some archives list notes of their own that they do not send."""

    def on_find(level, answers):
        if level != "IMAGE":
            return answers
        return [*answers, changed(answers[0], 0x00080018, "1.2.3.1.99")]

    archive.on_find = on_find
    result = refused(lab.make(), 80, received=3)
    assert result.missing == {"1.2.3.1.99"}
    wanted = lab.make(allow_incomplete=True)
    assert wanted.code == 80
    assert [disc.name for disc in wanted.discs] == ["A1.INCOMPLETE.iso"]
    for disc in wanted.discs:
        disc.unlink()
        disc.with_suffix(".json").unlink()
    heals(lab)


@pytest.mark.fault("G13")
def test_several_titles_and_addresses_of_one_archive_send_side_by_side(lab, archive):
    def on_move(move):
        def send(title, instances):
            with move.associated(calling=title) as association:
                for each in instances:
                    number = move.instances.index(each)
                    assert move.store(association, move.read(number)) == 0

        threads = [
            threading.Thread(target=send, args=(title, [each]))
            for title, each in zip(("ABPACS", "ARCHIVE2", "NIGHT"), move.instances, strict=True)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        move.finish(0x0000, completed=3)

    archive.on_move = on_move
    result = lab.make(node={"send_as": ("ABPACS", "ARCHIVE2", "NIGHT")})
    assert result.code == 0, result.report
    assert result.on_disc == UIDS


@pytest.mark.fault("G14", "F24")
def test_an_archive_that_is_restarted_during_the_move_is_asked_again(lab, archive):
    def on_move(move):
        move.send(move.instances[:1])
        threading.Timer(1.5, lab.restart).start()
        archive.kill()

    archive.on_move = on_move
    result = lab.make(node={"retries": 3})
    assert result.code == 0, result.report
    assert result.on_disc == UIDS


@pytest.mark.fault("G15", "F58")
def test_the_same_order_twice_is_one_disc(lab, archive):
    first, second = lab.make(), lab.make()
    assert (first.code, second.code) == (0, 0)
    assert first.report["discs"][0]["sha256"] == second.report["discs"][0]["sha256"]
    assert second.report["discs"][0]["path"] == first.report["discs"][0]["path"]
    assert len(second.discs) == 1


@pytest.mark.fault("F58")
def test_another_disc_of_that_name_is_never_overwritten(lab, archive):
    assert lab.make().code == 0
    (disc,) = lab.output.glob("*.iso")
    kept = disc.read_bytes()
    archive.rescan(save(lab.images, "more", instance(number=50)))
    result = lab.make()
    assert result.code == 73
    assert disc.read_bytes() == kept
    replaced = lab.make(replace=True)
    assert replaced.code == 0
    assert "1.2.3.1.50" in replaced.on_disc


# --- the machine


@pytest.mark.fault("G16", "F57")
@pytest.mark.parametrize("stage", ["find", "retrieve", "write", "verify"])
@pytest.mark.parametrize("what", ["work folder", "files", "output"])
def test_a_folder_that_somebody_tidies_up_is_an_error_and_no_half_disc(lab, archive, stage, what):
    done = []

    def tidy(progress):
        if progress.stage != stage or done:
            return
        done.append(stage)
        if what == "output":
            shutil.rmtree(lab.output, ignore_errors=True)
        for folder in lab.output.glob(".mkiso-*"):
            if what == "work folder":
                shutil.rmtree(folder, ignore_errors=True)
            for each in folder.glob("*.dcm") if what == "files" else ():
                each.unlink()

    result = lab.make(surroundings={"progress": tidy}, check=False)
    assert result.code in (0, 73, 74, 83), result.report
    if result.discs or result.code == 0:
        lab.check(result)
    lab.check_free()
    again = lab.make()
    assert again.on_disc == UIDS


@pytest.mark.fault("F55")
@pytest.mark.parametrize("position", [0, 16 * 2048 + 1, 40 * 2048, -1, -2048, "middle"])
def test_one_byte_that_reads_back_differently_is_no_disc(lab, archive, monkeypatch, position):
    really = mkiso.disc.image_hashes._read_from_disk
    seen = []

    def read_from_disk(descriptor, buffer, offset):
        size = os.fstat(descriptor).st_size
        at = size // 2 if position == "middle" else position % size
        if offset <= at < offset + len(buffer):
            with Path(f"/proc/self/fd/{descriptor}").open("r+b") as file:
                file.seek(at)
                byte = file.read(1)
                file.seek(at)
                file.write(bytes((byte[0] ^ 0x55,)))
            seen.append(at)
        return really(descriptor, buffer, offset)

    monkeypatch.setattr(mkiso.disc.image_hashes, "_read_from_disk", read_from_disk)
    refused(lab.make(), 83)
    assert seen
    monkeypatch.undo()
    assert list(lab.output.iterdir()) == []
    heals(lab)


@pytest.mark.fault("F68")
@pytest.mark.parametrize("stage", ["find", "retrieve", "write", "verify"])
def test_a_bug_in_any_stage_names_nobody_and_leaves_nothing(lab, archive, stage):
    def bug(progress):
        if progress.stage == stage:
            raise RuntimeError(f"could not parse {SECRETS[0]}^{SECRETS[1]} born {SECRETS[3]}")

    result = refused(lab.make(surroundings={"progress": bug}), 70)
    assert "bug" in result.message or "error inside" in result.message
    assert "RuntimeError" in result.log
    heals(lab)


@pytest.mark.fault("F61")
def test_a_signal_just_after_the_disc_has_its_name_leaves_the_disc(lab, archive):
    """Past the commit point there is a disc, and the code says what happened."""
    made = []

    def require_running():
        if list(lab.output.glob("*.iso")):
            made.append(signal.SIGTERM)

    result = lab.make(surroundings={"require_running": require_running})
    assert result.code == 0
    assert result.on_disc == UIDS


@pytest.mark.fault("F64")
def test_two_jobs_of_one_disc_at_one_moment_make_it_once(lab, archive):
    results = []

    def make():
        results.append(lab.make(check=False, lock_wait_seconds=20.0))

    threads = [threading.Thread(target=make) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.code for each in results] == [0, 0, 0], [each.report for each in results]
    assert sum("exists already" in each.message for each in results) == 2
    lab.check(results[0])


@pytest.mark.fault("F23", "F42", "F16", "F21")
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "status", [0x0000, 0xA701, 0xA702, 0xA801, 0xA900, 0xB000, 0xC000, 0xC001, 0xFE00, 0x0122,
               0x0124, 0x0211, 0xFFFF, 0x1234]
)  # fmt: skip
@pytest.mark.parametrize("arrives", ["nothing", "some", "all"])
def test_whatever_the_archive_answers_only_what_arrived_counts(lab, archive, status, arrives):
    count = {"nothing": 0, "some": 1, "all": 3}[arrives]
    archive.on_move = lambda move: (
        move.send([i for i in move.instances if i.sop_instance_uid in sorted(UIDS)[:count]]),
        move.finish(status, completed=7, failed=0),
    )
    result = lab.make(quiet_period_seconds=0.1, stall_timeout_seconds=0.2,
                      first_instance_timeout_seconds=0.2)  # fmt: skip
    if arrives == "all":
        assert result.code == 0, result.report
        assert result.on_disc == UIDS
    else:
        assert result.code in (75, 76, 77, 78, 80), result.report
        assert result.discs == []
        assert result.report["received"] == count


@pytest.mark.fault("F18", "F19", "F20")
def test_instances_that_come_out_of_order_late_and_twice_are_one_study(lab):
    study(lab.images, 12)
    archive = lab.start()

    def on_move(move):
        def late():
            for each in reversed(move.instances):
                move.send([each])
                time.sleep(0.02)
            move.send(move.instances[:3])

        threading.Thread(target=late, daemon=True).start()
        move.finish(0x0000, completed=12)

    archive.on_move = on_move
    result = lab.make()
    assert result.code == 0, result.report
    assert len(result.on_disc) == 12


@pytest.mark.fault("F30", "F33")
@pytest.mark.parametrize("who", ["the archive", "a stranger"])
def test_somebody_elses_study_is_kept_by_nobody(lab, archive, who):
    strange = instance(study="1.9.9", PatientID="P2", PatientName="Other^One")
    statuses = []

    def on_move(move):
        calling = "ABPACS" if who == "the archive" else "STRANGER"
        try:
            with move.associated(calling=calling) as association:
                statuses.append(move.store(association, strange, data=encoded(strange)))
        except Exception as error:  # noqa: BLE001 - a stranger is turned away
            statuses.append(error)
        move.normally()

    archive.on_move = on_move
    result = lab.make()
    if who == "the archive":
        refused(result, 81)
        assert statuses == [0xC409]
        assert "1.9.9" in result.report["details"][0]
    else:
        assert result.code == 0
        assert not isinstance(statuses[0], int)
    assert "Other" not in json.dumps(result.report) + result.log
