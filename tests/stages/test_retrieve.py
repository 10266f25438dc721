"""The stage alone: what it tells while instances come, and what it looks at when they have."""

import contextlib
import shutil
import time

import pytest
from whole_jobs import instance, laboratory, save, study

from mkiso.core.context import Context
from mkiso.errors import DiskError, IncompleteError
from mkiso.network.receiver import Receiver
from mkiso.stages import find, retrieve

UIDS = {f"1.2.3.1.{n}" for n in (1, 2, 3, 4)}


class Retrieving:
    """One run of the stage with an archive of four instances."""

    def __init__(self, lab):
        self.lab = lab
        self.archive = lab.start()
        self.folder = lab.folder / "received"
        self.folder.mkdir()
        self.progressed, self.warned, self.heard = [], [], []
        self.grown = lambda _found: False

    def run(self, **job):
        self.context = Context(
            job=self.lab.job(**job),
            deadline=time.monotonic() + 60,
            monotonic=time.monotonic,
            log=lambda _: None,
            warn=self.warned.append,
            say=lambda _: None,
            progress=self.progressed.append,
            require_running=lambda: None,
        )
        with Receiver("CDRECORD", "127.0.0.1", self.lab.port) as receiver:
            return retrieve.run(
                find.run(self.context),
                self.context,
                receiver=receiver,
                folder=self.folder,
                find_again=lambda: find.run(self.context),
                has_grown=self.grown,
                listeners=(self.heard.append,),
            )

    def send_one_more(self, **changes):
        """Let the archive send what it was not asked for, as part of its last C-MOVE."""
        move = self.archive.moves[-1]
        with move.associated() as association:
            return move.store(association, instance(**changes))


@pytest.fixture
def stage(tmp_path):
    with laboratory(tmp_path) as lab:
        study(lab.images)
        yield Retrieving(lab)


def test_every_instance_is_told_to_the_listeners_and_in_the_result(stage):
    result = stage.run()
    got = {each.sop_instance_uid: each for each in result.retrieved.instances}
    assert got.keys() == UIDS
    assert {each.sop_instance_uid for each in stage.heard} == UIDS
    assert all(each.path.parent == stage.folder and each.path.exists() for each in got.values())
    assert (stage.progressed[-1].done, stage.progressed[-1].total) == (4, 4)
    assert stage.progressed[-1].size_bytes > 0
    assert stage.warned == []


def test_a_listener_that_fails_ends_the_job(stage):
    def broken(_instance):
        raise ZeroDivisionError

    stage.heard = type("Heard", (), {"append": staticmethod(broken)})
    with pytest.raises(ZeroDivisionError):
        stage.run()


def test_the_list_is_not_asked_for_again_when_all_agrees(stage):
    finds = []
    stage.archive.on_find = lambda level, answers: finds.append(level) or answers
    stage.run()
    assert finds == ["STUDY", "SERIES", "IMAGE"]


def test_a_disk_that_fails_after_the_last_look_is_not_overlooked(stage):
    def fails_meanwhile(_found):
        shutil.rmtree(stage.folder)
        assert stage.send_one_more(number=9) == 0xA700
        return False

    stage.grown = fails_meanwhile
    with pytest.raises(DiskError):
        stage.run()


def test_an_instance_after_the_last_look_is_not_put_on_the_disc_unlisted(stage):
    stage.grown = lambda _found: stage.send_one_more(number=9) != 0
    with pytest.raises(IncompleteError) as caught:
        stage.run()
    assert caught.value.details == ("1.2.3.1.9",)


def test_an_instance_that_comes_while_the_list_is_read_again_counts(stage):
    """The new list has it, and nothing more is asked for."""
    changes = iter([True])

    def grown(_found):
        if next(changes, False):
            stage.archive.rescan(save(stage.lab.images, "late", instance(number=9)))
            stage.send_one_more(number=9)
            return True
        return False

    stage.grown = grown
    result = stage.run()
    assert {each.sop_instance_uid for each in result.retrieved.instances} == UIDS | {"1.2.3.1.9"}
    assert len(stage.archive.moves) == 1


def test_a_gap_is_in_the_result_by_name(stage):
    stage.archive.on_move = lambda move: (
        move.send(move.instances[:-1]),
        move.finish(0xB000, completed=len(move.instances) - 1, failed=1),
    )
    result = stage.run()
    missing = [each.sop_instance_uid for each in result.retrieved.missing]
    assert (missing, result.retrieved.missing_count) == (["1.2.3.1.4"], 1)


def test_refusals_are_named_up_to_a_point(stage):
    def many_bad(move):
        with move.associated() as association:
            for number in range(30):
                move.store(association, instance(number=100 + number), data=b"\7" * 40)
        move.normally()

    stage.archive.on_move = many_bad
    stage.run()
    named = [sentence for sentence in stage.warned if "was not accepted" in sentence]
    assert len(named) == 20
    assert "30 instances were not accepted in all; the log names them." in stage.warned


def test_a_late_association_is_ended_with_the_stage(stage):
    opened = []

    def leaves_open(move):
        held = move.associated()
        opened.append((held, held.__enter__()))
        move.normally()

    stage.archive.on_move = leaves_open
    began = time.monotonic()
    result = stage.run()
    assert len(result.retrieved.instances) == 4
    assert time.monotonic() - began < 20  # the associations may close for two seconds
    held, association = opened[0]
    with contextlib.suppress(Exception):
        held.gen.close()
    assert not association.is_open
