"""The audit trail's files."""

import multiprocessing
import stat

import pytest

from mkiso.storage.audit_trail import AuditQueue, append_lines


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_lines_are_added_and_the_file_is_private(tmp_path):
    path = tmp_path / "audit.xml"
    append_lines(path, ["<a/>", "<b/>"])
    append_lines(path, ["<c>é</c>"])
    assert path.read_text() == "<a/>\n<b/>\n<c>é</c>\n"
    assert mode(path) == 0o600


def test_half_a_line_of_a_power_cut_spoils_no_other(tmp_path):
    path = tmp_path / "audit.xml"
    path.write_text("<a/>\n<b")
    append_lines(path, ["<c/>"])
    assert path.read_text().splitlines() == ["<a/>", "<b", "<c/>"]


def test_a_symbolic_link_is_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "audit.xml").symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic"):
        append_lines(tmp_path / "audit.xml", ["<a/>"])
    assert not elsewhere.exists()


def _write_many(path, name):
    for number in range(50):
        append_lines(path, [f"{name}{number} " + "x" * 20_000])


def test_lines_of_runs_at_the_same_time_are_not_mixed(tmp_path):
    path = tmp_path / "audit.xml"
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=_write_many, args=(path, name)) for name in "ab"]
    for each in runs:
        each.start()
    for each in runs:
        each.join(60)
    lines = path.read_text().splitlines()
    assert len(lines) == 100
    assert all(line.endswith(" " + "x" * 20_000) for line in lines)


def test_messages_wait_in_order_and_are_private(tmp_path):
    queue = AuditQueue(tmp_path)
    assert queue.waiting() == []
    for number in range(12):
        queue.add(b"%d" % number)
    waiting = queue.waiting()
    assert [path.read_bytes() for path in waiting] == [b"%d" % n for n in range(12)]
    assert {mode(path) for path in waiting} == {0o600}
    assert mode(queue.folder) == 0o700
    queue.remove(waiting[:11])
    assert [path.read_bytes() for path in queue.waiting()] == [b"11"]


def test_one_at_a_time_delivers(tmp_path):
    queue, other = AuditQueue(tmp_path), AuditQueue(tmp_path)
    queue.add(b"x")
    with queue.turn() as ours:
        assert ours
        with other.turn() as theirs:
            assert not theirs
    with other.turn() as theirs:
        assert theirs
