"""Limits of instances, bytes and nesting: what is beyond them is refused, and nothing is left."""

import resource
import struct
import zlib

import pytest
from odd_archive import encoded
from pydicom.dataset import Dataset
from whole_jobs import instance, study

from mkiso.errors import IncompleteError, LimitError


def refused(lab, result, error):
    assert (result.code, result.discs) == (error.code, [])
    assert list(lab.output.iterdir()) == []


@pytest.mark.fault("F46")
def test_more_instances_than_allowed_are_refused_before_anything_is_moved(lab, archive):
    result = lab.make(max_instances=3)
    refused(lab, result, LimitError)
    assert archive.moves == []


def test_an_archive_that_sends_more_than_it_lists_hits_the_limit(lab, archive):
    def many(move):
        with move.associated() as association:
            for number in range(1, 12):
                move.store(association, instance(number=number))
        move.finish(0x0000, completed=4)

    archive.on_move = many
    result = lab.make(max_instances=5)
    refused(lab, result, LimitError)
    assert "--max-instances" in result.message


def test_an_instance_of_too_many_bytes_is_refused_while_it_arrives(lab):
    study(lab.images, count=1, PixelData=bytes(3_000_000))
    lab.start()
    result = lab.make(max_instance_bytes=1_000_000)
    refused(lab, result, LimitError)
    assert "max_instance_size" in result.message


def test_a_job_of_too_many_bytes_is_refused(lab, archive):
    result = lab.make(max_bytes=2000)
    refused(lab, result, LimitError)
    assert "max_size" in result.message
    assert lab.make(max_bytes=20_000).code == 0


def nested(levels, *, explicit=True):
    """A data set with sequences within sequences, of undefined length: a few bytes a level."""
    head = encoded(instance(number=1))
    if explicit:
        begin = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF)
    else:
        begin = struct.pack("<HH2sHI", 0x0040, 0xA730, b"UN", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    end = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    before = head.index(struct.pack("<HH", 0x7FE0, 0x0010))
    return head[:before] + (begin + item) * levels + end * levels + head[before:]


@pytest.mark.fault("F51")
@pytest.mark.parametrize("levels", [101, 300, 1000, 100_000])
def test_sequences_nested_too_deeply_are_refused(lab, archive, levels):
    def deep(move):
        with move.associated() as association:
            status = move.store(association, instance(number=1), data=nested(levels))
            assert status & 0xF000 == 0xC000
        move.send(move.instances[1:])
        move.finish(0xB000, completed=3, failed=1)

    archive.on_move = deep
    result = lab.make()
    refused(lab, result, IncompleteError)
    assert result.missing == {"1.2.3.1.1"}
    assert "nested" in result.warnings


@pytest.mark.parametrize("levels", [1, 90])
def test_sequences_nested_as_deeply_as_real_ones_are_taken(lab, archive, levels):
    def deep(move):
        with move.associated() as association:
            assert move.store(association, instance(number=1), data=nested(levels)) == 0
        move.send(move.instances[1:])
        move.finish(0x0000, completed=4)

    archive.on_move = deep
    assert lab.make().code == 0


@pytest.mark.fault("F51")
def test_deflated_data_sets_are_not_negotiated_and_nothing_is_unpacked(lab, archive):
    """A bomb: 600 MB of zeros in 600 KB."""
    refusals = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def bomb(move):
        deflated = "1.2.840.10008.1.2.1.99"
        with move.associated(syntax=deflated) as association:
            refusals.append(association.rejected)
            assert not association.contexts
        move.send(move.instances[1:])
        move.finish(0xB000, completed=3, failed=1)

    archive.on_move = bomb
    result = lab.make()
    refused(lab, result, IncompleteError)
    assert refusals[0]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.fault("F51")
def test_deflated_bytes_on_a_plain_context_are_no_data_set(lab, archive):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(bytes(50_000_000)) + packer.flush()

    def sends(move):
        with move.associated() as association:
            status = move.store(association, instance(number=1), data=bomb)
            assert status & 0xF000 == 0xC000
        move.send(move.instances[1:])
        move.finish(0xB000, completed=3, failed=1)

    archive.on_move = sends
    refused(lab, lab.make(), IncompleteError)


@pytest.mark.fault("F51")
def test_a_data_set_that_is_only_nested_never_fills_the_stack(lab, archive):
    def deep(move):
        with move.associated() as association:
            data = encoded(Dataset()) + nested(5000, explicit=False)
            assert move.store(association, instance(number=1), data=data) != 0
        move.send(move.instances[1:])
        move.finish(0xB000, completed=3, failed=1)

    archive.on_move = deep
    refused(lab, lab.make(), IncompleteError)
