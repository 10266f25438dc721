"""The program that is run for a study: hanging, deaf, with children, when we end."""

import time
from pathlib import Path

import pytest

from mkiso.toolbox.study_journal import StudyEvent
from mkiso.toolbox.study_program import StudyProgram

#: Starts a child that goes on, and waits for it; neither reads its stdin.
HANGING = """#!/bin/sh
sleep 1000 &
echo $! > "{pid}.new"
mv "{pid}.new" "{pid}"
wait
"""


@pytest.fixture
def script(tmp_path):
    def make(text):
        path = tmp_path / "program"
        path.write_text(text.format(pid=tmp_path / "pid"))
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def running():
    made = []

    def make(program, **options):
        ended, said = [], []
        options = {"timeout_seconds": 60, "pauses": (), **options}
        made.append(
            StudyProgram(
                program,
                lambda event, done: ended.append((event.content["study_instance_uid"], done)),
                log=said.append,
                **options,
            )
        )
        return made[-1], ended, said

    yield make
    for program in made:
        program.stop(0.1)


def event(uid="1.2.3", files=1):
    names = [f"/srv/in/{uid}/{n}.dcm" for n in range(files)]
    return StudyEvent(Path("/nowhere"), {"study_instance_uid": uid, "files": names})


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not condition():
        time.sleep(0.02)
    return condition()


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_that_hangs_is_killed_with_its_children(script, running, tmp_path):
    program, ended, said = running(script(HANGING), timeout_seconds=5)
    program.run(event(files=20_000))  # more than fits into a pipe that nobody reads
    assert wait_for(lambda: ended == [("1.2.3", False)])
    assert any("killed after 5 s" in line for line in said)
    pid = int((tmp_path / "pid").read_text())
    assert wait_for(lambda: not is_alive(pid))


def test_the_studies_behind_a_hanging_program_have_their_turn(script, running):
    program, ended, _ = running(script("#!/bin/sh\ngrep -q 1.2.9 || sleep 1000\n"),
                                timeout_seconds=5)  # fmt: skip
    program.run(event("1.2.3"))
    program.run(event("1.2.9"))
    assert wait_for(lambda: len(ended) == 2)
    assert ended == [("1.2.3", False), ("1.2.9", True)]


def test_a_run_that_does_not_end_with_us_is_killed_and_its_event_is_kept(script, running, tmp_path):
    program, ended, said = running(script(HANGING))
    program.run(event())
    assert wait_for((tmp_path / "pid").exists)
    program.stop(0.3)
    assert ended == []
    assert any("killed, since we end" in line for line in said)
    assert wait_for(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_a_program_that_does_not_listen_may_succeed(script, running):
    program, ended, _ = running(script("#!/bin/sh\nexit 0\n"))
    program.run(event(files=20_000))
    assert wait_for(lambda: ended == [("1.2.3", True)])


def test_what_is_told_is_no_part_of_a_command_line(script, running, tmp_path):
    text = '#!/bin/sh\ntest $# = 0 && cat > "{pid}"\n'
    program, ended, _ = running(script(text))
    program.run(event('1.2"; touch /tmp/x; $(id)'))
    assert wait_for(lambda: ended)
    assert ended[0][1]
    assert '"1.2\\"; touch' in (tmp_path / "pid").read_text()


def test_a_program_that_vanished_is_a_failure_and_no_end(script, running):
    path = script("#!/bin/sh\nexit 0\n")
    program, ended, said = running(path)
    Path(path).unlink()
    program.run(event())
    assert wait_for(lambda: ended == [("1.2.3", False)])
    assert any("cannot be run" in line for line in said)
