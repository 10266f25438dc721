"""Whole jobs by C-MOVE against an archive that misbehaves: code, no disc, nothing left behind."""

import socket
import struct
import threading
import time

import pytest
from odd_archive import Move, encoded
from whole_jobs import PATIENT, free_port, instance, save, study

from mkiso.network import dimse
from mkiso.network.upper_layer import AssociationLostError

UIDS = {f"1.2.3.1.{n}" for n in (1, 2, 3, 4)}


def refused(result, code, *, received=None):
    """The job ended with `code` and there is no disc."""
    assert (result.code, result.discs) == (code, []), result.report
    if received is not None:
        assert result.report["received"] == received


def heals(lab):
    """When the archive behaves again, the same job gives the disc."""
    lab.archive.on_move = lab.archive.on_find = None
    result = lab.make()
    assert result.code == 0, result.report
    assert result.on_disc == UIDS


def test_a_good_archive_gives_a_disc_with_one_request(lab, archive):
    result = lab.make()
    assert result.code == 0
    assert result.on_disc == UIDS
    assert [move.level for move in archive.moves] == ["STUDY"]
    again = lab.make()
    assert again.code == 0
    assert "exists already" in again.message


# --- nothing comes


@pytest.mark.fault("F16")
@pytest.mark.parametrize("status", [0xC000, 0xB000])
def test_a_failure_with_nobody_connecting_is_a_matter_of_registration(lab, archive, status):
    archive.on_move = lambda move: move.finish(status, completed=0, failed=0)
    result = lab.make()
    refused(result, 78, received=0)
    assert "register it there" in result.message
    assert f"CDRECORD, port {lab.port}" in result.message
    heals(lab)


def test_an_archive_that_cannot_reach_us_is_not_asked_for_each_instance(lab):
    study(lab.images, 300)
    archive = lab.start()
    archive.on_move = lambda move: move.finish(0xC000)
    refused(lab.make(), 78)
    assert len(archive.moves) < 20


@pytest.mark.fault("F16")
def test_an_abort_with_nobody_connecting_is_a_matter_of_registration(lab, archive):
    archive.on_move = lambda move: move.operation.association.abort()
    result = lab.make()
    refused(result, 78)
    assert "register it there" in result.message
    heals(lab)


@pytest.mark.fault("F16")
def test_an_unknown_destination_ends_at_the_first_answer(lab, archive):
    archive.destinations.clear()
    archive.on_move = lambda move: move.finish(0xA801)
    result = lab.make()
    refused(result, 78)
    assert "A801H" in result.message
    assert len(archive.moves) == 1


def test_a_sender_that_is_not_known_as_the_archive_is_named(lab, archive):
    def as_somebody_else(move):
        with pytest.raises(Exception, match="calling AE title"), move.associated(calling="NIGHT"):
            pass
        move.finish(0xC000)

    archive.on_move = as_somebody_else
    result = lab.make()
    refused(result, 78)
    assert "NIGHT at 127.0.0.1" in result.message
    assert "send_as" in result.message
    heals(lab)


@pytest.mark.fault("F17")
def test_success_without_anything_is_incomplete_after_the_quiet_period(lab, archive):
    archive.on_move = lambda move: move.finish(0x0000, completed=0, failed=0)
    result = lab.make()
    refused(result, 80, received=0)
    assert result.missing == UIDS
    assert 0.5 <= result.seconds < 20
    assert "nobody ever connected" in result.warnings
    heals(lab)


@pytest.mark.fault("F23")
@pytest.mark.parametrize("status", [0xA701, 0xA702])
def test_a_busy_archive_is_to_be_asked_again_later(lab, archive, status):
    archive.on_move = lambda move: move.finish(status)
    refused(lab.make(), 75, received=0)
    heals(lab)


@pytest.mark.fault("F23")
def test_a_busy_archive_is_asked_again_after_a_pause(lab, archive):
    def busy_once(move):
        move.finish(0xA701) if move.number == 0 else move.normally()

    archive.on_move = busy_once
    result = lab.make(node={"retries": 1})
    assert result.code == 0
    assert result.seconds > 2
    assert any("Again in 2 s" in line for line in result.said)


@pytest.mark.fault("F42")
@pytest.mark.parametrize("arrived", [0, 2])
def test_a_cancelled_move_is_to_be_tried_again(lab, archive, arrived):
    def cancelled(move):
        move.send(move.instances[:arrived])
        move.finish(0xFE00)

    archive.on_move = cancelled
    refused(lab.make(), 75, received=arrived)
    heals(lab)


@pytest.mark.fault("F26")
def test_pending_for_ever_ends_at_the_stall_time(lab, archive):
    def pending(move):
        while not archive.released.wait(0.05):
            move.pending()

    archive.on_move = pending
    result = lab.make()
    refused(result, 75, received=0)
    assert "sent nothing for 2 s" in result.message
    assert result.seconds < 20
    heals(lab)


def test_not_authorised_is_77(lab, archive):
    archive.on_move = lambda move: move.finish(0x0124)
    refused(lab.make(), 77)


def test_a_move_that_is_refused_outright_is_76_when_nothing_came(lab, archive):
    archive.on_move = lambda move: move.finish(0xA900)
    refused(lab.make(), 76)


# --- success too early, too late, never


@pytest.mark.fault("F18")
def test_success_at_once_and_images_later_is_waited_for(lab, archive):
    """Orthanc with SynchronousCMove off."""

    def later(move):
        def send():
            time.sleep(0.3)
            move.send()

        threading.Thread(target=send, daemon=True).start()
        move.finish(0x0000, completed=4)

    archive.on_move = later
    result = lab.make(**PATIENT)
    assert result.code == 0
    assert result.on_disc == UIDS
    assert result.seconds < 20  # nothing waits once everything is there


@pytest.mark.fault("F19")
def test_success_at_once_and_images_never_is_80_after_one_stall(lab, archive):
    archive.on_move = lambda move: move.finish(0x0000, completed=len(move.instances))
    waits = {"stall_timeout_seconds": 3.0, "first_instance_timeout_seconds": 3.0}
    result = lab.make(quiet_period_seconds=0.1, **waits)
    refused(result, 80, received=0)
    assert result.missing == UIDS
    assert 3 <= result.seconds < 6  # believed once, not at each request
    heals(lab)


# --- some come


@pytest.mark.fault("F20")
def test_one_that_was_dropped_is_asked_for_by_name(lab, archive):
    def dropping(move):
        move.normally(drop={"1.2.3.1.3"} if move.number == 0 else ())

    archive.on_move = dropping
    result = lab.make()
    assert result.code == 0
    assert result.on_disc == UIDS
    assert [(m.level, m.uids) for m in archive.moves[1:]] == [("IMAGE", ["1.2.3.1.3"])]


@pytest.mark.fault("F20")
def test_one_that_never_comes_is_named(lab, archive):
    archive.on_move = lambda move: move.normally(drop={"1.2.3.1.3"})
    result = lab.make()
    refused(result, 80, received=3)
    assert result.missing == {"1.2.3.1.3"}
    assert "1 of 4 instances" in result.message
    heals(lab)


@pytest.mark.fault("F21")
def test_a_warning_with_failures_is_followed_by_a_retry(lab, archive):
    def failing(move):
        taken = move.send(
            [i for i in move.instances if move.number or i.sop_instance_uid[-1] != "2"]
        )
        failed = len(move.instances) - taken
        move.finish(0xB000 if failed else 0, completed=taken, failed=failed)

    archive.on_move = failing
    assert lab.make().on_disc == UIDS


def test_an_archive_that_gives_up_at_the_first_bad_one_still_gives_all_others(lab):
    """Orthanc: C000H with counts of nothing, and what would follow is never sent."""
    study(lab.images, 40)
    archive = lab.start()

    def gives_up(move):
        good = []
        for each in move.instances:
            if each.sop_instance_uid in ("1.2.3.1.1", "1.2.3.1.17"):
                move.send(good)
                move.finish(0xC000)
                return
            good.append(each)
        move.send(good)
        move.finish(0x0000, completed=len(good))

    archive.on_move = gives_up
    result = lab.make()
    refused(result, 80, received=38)
    assert result.missing == {"1.2.3.1.1", "1.2.3.1.17"}


def test_an_archive_that_breaks_its_association_at_a_bad_one_still_gives_all_others(lab, archive):
    def breaks(move):
        for each in move.instances:
            if each.sop_instance_uid == "1.2.3.1.2":
                move.operation.association.abort()
                return
            move.send([each])
        move.finish(0x0000)

    archive.on_move = breaks
    result = lab.make()
    refused(result, 80, received=3)
    assert result.missing == {"1.2.3.1.2"}


def test_objects_that_all_fail_are_a_gap_not_a_busy_archive(lab, archive):
    """dcmqrscp answers A702H when each object failed, though it connected and tried."""

    def all_fail(move):
        with move.associated():
            pass
        move.finish(0xA702, completed=0, failed=len(move.instances))

    archive.on_move = all_fail
    result = lab.make()
    refused(result, 80, received=0)
    assert result.missing == UIDS


def test_one_study_that_cannot_be_sent_does_not_keep_the_others_away(lab):
    study(lab.images, 3, study="1.2.9")
    archive = lab.start()

    def first_fails(move):
        if move.uids[0].startswith("1.2.3."):
            with move.associated():
                pass
            move.finish(0xA702, completed=0, failed=len(move.instances))
        else:
            move.normally()

    archive.on_move = first_fails
    result = lab.make(allow_incomplete=True)
    assert (result.code, result.report["received"]) == (80, 3)
    assert [disc.name for disc in result.discs] == ["A1.INCOMPLETE.iso"]
    assert result.missing == UIDS
    assert result.report["discs"][0]["complete"] is False


def test_image_level_that_is_refused_leaves_the_gap_to_be_reported(lab, archive):
    def no_image_moves(move):
        if move.level == "IMAGE":
            move.finish(0xA900)
        else:
            move.normally(drop={"1.2.3.1.3"})

    archive.on_move = no_image_moves
    refused(lab.make(), 80, received=3)


def test_nothing_of_several_wanted_is_never_an_image(lab, archive):
    archive.on_move = lambda move: move.finish(0x0000, completed=0)
    result = lab.make(allow_incomplete=True)
    refused(result, 80, received=0)
    assert "nothing was published" in result.message


# --- it dies or hangs in the middle


@pytest.mark.fault("F24")
def test_an_archive_killed_in_the_middle_of_an_object_is_75_and_heals(lab, archive):
    def dies(move):
        move.send(move.instances[:2])
        association = half_an_object(move)
        archive.kill()
        association.abort()

    archive.on_move = dies
    result = lab.make(node={"retries": 1})
    refused(result, 75, received=2)
    assert "connection refused" in result.message
    lab.restart()
    heals(lab)


@pytest.mark.fault("F24", "G14")
def test_an_archive_that_comes_back_is_asked_again(lab, archive):
    def dies_once(move):
        if move.number == 0:
            move.send(move.instances[:2])
            half_an_object(move).abort()
            move.operation.association.abort()
        else:
            move.normally()

    archive.on_move = dies_once
    result = lab.make(node={"retries": 1})
    assert result.code == 0
    assert result.on_disc == UIDS


@pytest.mark.fault("F25")
@pytest.mark.parametrize("arrived", [0, 2])
def test_an_archive_that_hangs_in_the_middle_of_an_object_is_75(lab, archive, arrived):
    def hangs(move):
        move.send(move.instances[:arrived])
        association = half_an_object(move)
        move.hang()
        association.abort()

    archive.on_move = hangs
    result = lab.make()
    refused(result, 75, received=arrived)
    assert "sent nothing for 2 s" in result.message
    assert result.seconds < 20
    lab.restart()
    heals(lab)


def test_an_archive_that_never_says_that_it_is_done_still_gives_a_disc(lab, archive):
    archive.on_move = lambda move: (move.send(), move.hang())
    result = lab.make()
    assert result.code == 0
    assert result.on_disc == UIDS
    assert result.seconds < 20


@pytest.mark.fault("F46")
def test_an_archive_that_sends_without_end_is_stopped_at_the_limit(lab, archive):
    def endless(move):
        with move.associated() as association:
            for number in range(1, 2000):
                move.store(association, instance(number=number))
        move.finish(0x0000)

    archive.on_move = endless
    result = lab.make(max_instances=20)
    refused(result, 85)
    assert result.report["received"] < 1000


def test_an_association_that_stays_open_for_nothing_is_waited_for_once(lab, archive):
    """Each further request would wait as long again."""
    held = []

    def keeps_open(move):
        held.append(move.associated())
        held[-1].__enter__()
        move.finish(0xB000, completed=0, failed=len(move.instances))

    archive.on_move = keeps_open
    waits = {"stall_timeout_seconds": 4.0, "first_instance_timeout_seconds": 4.0}
    result = lab.make(quiet_period_seconds=0.1, **waits)
    refused(result, 80)
    assert 4 <= result.seconds < 8
    for each in held:
        with pytest.raises(AssociationLostError):
            each.gen.throw(AssociationLostError("the test is over"))


def half_an_object(move: Move):
    """Begin a C-STORE and stop in the middle of its data set."""
    opened = move.associated()
    association = opened.__enter__()
    data_set = move.read(-1)
    command = dimse.encode_command({**move.store_command(data_set), "CommandDataSetType": 1})
    data = encoded(data_set)
    for control, fragment in ((3, command), (0, data[: len(data) // 2])):
        pdv = struct.pack(">IBB", len(fragment) + 2, 1, control) + fragment
        association._wire.send(struct.pack(">BxI", 4, len(pdv)) + pdv, time.monotonic() + 5)
    return association


# --- the wrong things come


def foreign(move, **changes):
    """Send all that was asked for, and one instance more."""
    with move.associated() as association:
        status = move.store(association, instance(**changes))
    move.send()
    move.finish(0x0000, completed=len(move.instances))
    return status


@pytest.mark.fault("F30")
def test_another_study_during_the_job_is_refused_and_no_disc_is_made(lab, archive):
    statuses = []
    archive.on_move = lambda move: statuses.append(foreign(move, study="1.9.9", PatientID="P2"))
    result = lab.make()
    refused(result, 81)
    assert result.report["retry"] == "never"
    assert result.report["details"] == ["study 1.9.9"]
    heals(lab)


@pytest.mark.fault("F30")
def test_another_study_is_noticed_behind_a_flood_of_other_refusals(lab, archive):
    def flood(move):
        bad = instance(number=77)
        with move.associated() as association:
            for _ in range(1001):
                move.store(association, bad, data=b"\0\0")
            move.store(association, instance(study="1.9.9"))
        move.normally()

    archive.on_move = flood
    refused(lab.make(**PATIENT), 81)


def test_another_study_weighs_more_than_what_else_ended_the_job(lab, archive):
    """75 would be tried again by itself."""

    def foreign_at_the_end(move):
        with move.associated() as association:
            move.store(association, instance(study="1.9.9"))
        archive.kill()

    archive.on_move = foreign_at_the_end
    refused(lab.make(), 81)


@pytest.mark.fault("F31")
@pytest.mark.parametrize(
    "change",
    [{"PatientID": "OTHER"}, {"PatientName": "Other^One"}, {"PatientBirthDate": "19440101"}],
    ids=str,
)
def test_an_object_of_another_patient_in_the_study_is_81(lab, archive, change):
    def mixes(move):
        with move.associated() as association:
            assert move.store(association, instance(number=1, **change)) == 0
        move.send(move.instances[1:])
        move.finish(0x0000, completed=4)

    archive.on_move = mixes
    result = lab.make(allow_incomplete=True, per_patient=True)
    refused(result, 81)
    heals(lab)


@pytest.mark.fault("F34")
def test_the_same_bytes_twice_are_one_instance(lab, archive):
    def twice(move):
        threads = [threading.Thread(target=move.send) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        move.finish(0x0000, completed=4)

    archive.on_move = twice
    result = lab.make()
    assert result.code == 0
    assert result.report["received"] == 4


@pytest.mark.fault("F35")
def test_one_uid_with_two_contents_is_81(lab, archive):
    def changes(move):
        move.send()
        with move.associated() as association:
            move.store(association, instance(number=2, StudyDescription="changed"))
        move.finish(0x0000, completed=4)

    archive.on_move = changes
    result = lab.make()
    refused(result, 81)
    assert result.report["details"] == ["1.2.3.1.2"]
    heals(lab)


@pytest.mark.fault("F35")
def test_one_uid_with_two_contents_after_the_last_look_is_81_too(lab, archive):
    def late(move):
        move.send()
        association = move.associated()
        opened = association.__enter__()
        data_set = instance(number=2, StudyDescription="changed")
        opened.send(1, move.store_command(data_set), encoded(data_set))
        move.finish(0x0000, completed=4)

    archive.on_move = late
    refused(lab.make(), 81)


@pytest.mark.fault("F37")
@pytest.mark.parametrize(
    "data",
    [b"", b"\x07" * 300, None],
    ids=["empty", "random", "cut off"],
)
def test_a_broken_data_set_is_refused_and_asked_for_again(lab, archive, data):
    statuses = []

    def broken_once(move):
        if move.number:
            move.normally()
            return
        first = move.read(0)
        bad = encoded(first)[:-100] if data is None else data
        with move.associated() as association:
            statuses.append(move.store(association, first, data=bad))
        move.send(move.instances[1:])
        move.finish(0xB000, completed=3, failed=1)

    archive.on_move = broken_once
    result = lab.make()
    assert result.code == 0
    assert 0xC000 <= statuses[0] <= 0xCFFF
    assert "1.2.3.1.1 was not accepted" in result.warnings


@pytest.mark.fault("F37")
def test_a_broken_data_set_that_stays_broken_is_80(lab, archive):
    def broken(move):
        with move.associated() as association:
            failed = 0
            for number, each in enumerate(move.instances):
                ds = move.read(number)
                bad = b"\x07" * 300 if each.sop_instance_uid == "1.2.3.1.1" else None
                failed += move.store(association, ds, data=bad) != 0
        move.finish(0xB000, completed=len(move.instances) - failed, failed=failed)

    archive.on_move = broken
    result = lab.make()
    refused(result, 80, received=3)
    assert result.missing == {"1.2.3.1.1"}


@pytest.mark.fault("F36")
def test_an_instance_under_another_ones_uid_is_refused_and_missing(lab, archive):
    def swapped(move):
        with move.associated() as association:
            assert move.store(association, instance(number=1), instance="1.2.3.1.2") == 0xA900
        move.send([i for i in move.instances if i.sop_instance_uid != "1.2.3.1.2"])
        move.finish(0xB000, completed=3, failed=1)

    archive.on_move = lambda move: (
        swapped(move) if move.number == 0 else move.normally(drop={"1.2.3.1.2"})
    )
    result = lab.make()
    refused(result, 80, received=3)
    assert result.missing == {"1.2.3.1.2"}


@pytest.mark.fault("F40")
def test_what_another_move_sends_is_refused_and_the_job_goes_on(lab, archive):
    """A late C-STORE of the job before, or of somebody else's C-MOVE to us."""
    statuses = []

    def late(move):
        with move.associated() as association:
            other = move.message_id % 65535 + 1
            strange = instance(study="1.9.9")
            statuses.append(move.store(association, strange, message_id=other))
        move.normally()

    archive.on_move = late
    result = lab.make()
    assert result.code == 0
    assert statuses == [0xC409]
    assert result.on_disc == UIDS


def test_message_ids_do_not_begin_anew_with_each_job(lab, archive):
    ids = set()
    archive.on_move = lambda move: (ids.add(move.message_id), move.normally())
    for _ in range(4):
        lab.make()
    assert len(ids) == 4
    assert all(1 <= each <= 65535 for each in ids)


@pytest.mark.fault("F33")
def test_a_foreign_sender_does_not_disturb(lab, archive):
    def with_stranger(move):
        with pytest.raises(Exception, match="calling AE title"), move.associated(calling="EVIL"):
            pass
        move.normally()

    archive.on_move = with_stranger
    result = lab.make()
    assert result.code == 0
    assert "1 associations of senders that are not the archive were turned away" in result.warnings


@pytest.mark.fault("F39")
def test_silent_connections_do_not_disturb(lab, archive):
    sockets = []

    def with_silence(move):
        sockets.extend(socket.create_connection(("127.0.0.1", lab.port)) for _ in range(10))
        move.normally()

    archive.on_move = with_silence
    result = lab.make(**PATIENT)
    assert result.code == 0
    assert result.seconds < 20
    for each in sockets:
        each.close()


def test_an_unlisted_series_beside_the_filter_is_81(lab):
    save(lab.images, "other", instance(series=2, Modality="SR"))
    archive = lab.start()

    def everything(move):
        with move.associated() as association:
            move.store(association, instance(series=2, Modality="SR"))
        move.normally()

    archive.on_move = everything
    refused(lab.make(modalities=("CT",)), 81)
    archive.on_move = None
    result = lab.make(modalities=("CT",))
    assert result.code == 0
    assert result.on_disc == UIDS


@pytest.mark.fault("F01")
def test_the_archive_is_gone_before_it_is_asked(lab):
    study(lab.images, 1)
    archive = lab.start()
    archive.stop()
    result = lab.make()
    refused(result, 75)
    lab.restart()
    heals(lab)


@pytest.mark.fault("F02")
def test_a_black_hole_ends_in_time(lab):
    """A loopback listener whose accept queue is full."""
    lab.start()
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for each in fillers:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        result = lab.make(node={"port": full.getsockname()[1], "connect_timeout_seconds": 0.5})
        for each in fillers:
            each.close()
    refused(result, 75)
    assert result.seconds < 20


def test_the_deadline_ends_whatever_goes_on(lab, archive):
    def drips(move):
        for each in move.instances:
            time.sleep(0.4)
            move.send([each])
        move.finish(0x0000)

    archive.on_move = drips
    result = lab.make(deadline_seconds=1.0)
    refused(result, 75)
    assert "deadline of 1 s" in result.message
    assert result.seconds < 20


@pytest.mark.fault("F65")
def test_a_port_of_another_program_is_75_before_anything_is_asked(lab, archive):
    asked = []
    archive.on_find = lambda level, answers: asked.append(level) or answers
    with socket.create_server(("127.0.0.1", lab.port)):
        result = lab.make(check=False)
    refused(result, 75)
    assert "used by another program" in result.message
    assert asked == []
    heals(lab)


def test_an_address_that_is_not_ours_is_78(lab, archive):
    lab.port = free_port()  # so that nothing of this matters to the archive
    result = lab.make(node={"send_from": ("no.such.host.invalid",)})
    refused(result, 78)
