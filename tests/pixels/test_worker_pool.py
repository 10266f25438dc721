"""A worker that dies, hangs or eats memory costs one frame; the others are all there.

The decoder is a module of that name in front of the real one, so that the fault happens in a real
worker process, inside the decoding of a frame.
"""

import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from pixels.pixel_objects import TWELVE_BIT_JPEG, encapsulated, file_of, image, ramp
from scripted_peer import wait_for

from mkiso.errors import InternalError
from mkiso.pixels.instance_record import Deaths, InstanceRecord
from mkiso.pixels.worker_pool import WorkerPool
from mkiso.pixels.worker_process import Limits

# A decoder whose frames say what happens: GOOD, KILL, HANG, EATS, STOP.
DECODER = """
    import os, signal, time

    class Any:
        def __init__(self, *arguments): self.arguments = arguments
        def __call__(self, *arguments): return Any(*arguments)
        def __getattr__(self, name): return Any()
        @staticmethod
        def GetVersion(): return "3.0.24"
        def SetByteStringValue(self, stream):
            global frame
            frame = stream
        def GetBuffer(self):
            if frame.startswith(b"KILL"): os.kill(os.getpid(), signal.SIGSEGV)
            if frame.startswith(b"STOP"): os.kill(os.getpid(), signal.SIGSTOP)
            while frame.startswith(b"HANG"): time.sleep(0.01)
            if frame.startswith(b"EATS"): bytearray(3 << 30)
            return frame[4:].decode("utf-8", "surrogateescape") * (8 * 8)

    Version = PhotometricInterpretation = TransferSyntax = PixelFormat = Any()
    Fragment = SequenceOfFragments = DataElement = Tag = Image = Any()
"""


@pytest.fixture
def fake_decoder(tmp_path, monkeypatch):
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "gdcm.py").write_text(textwrap.dedent(DECODER))
    monkeypatch.syspath_prepend(str(folder))


@pytest.fixture
def pool(request, tmp_path):
    folder = tmp_path / "spools"
    folder.mkdir()
    limits = Limits(frame_seconds=getattr(request, "param", 60))
    pool = WorkerPool(folder, workers=2, limits=limits)
    yield pool
    pool.close()


impatient = pytest.mark.parametrize("pool", [5], indirect=True)  # seconds for a frame


def submitted(pool, contents, folder, syntax=TWELVE_BIT_JPEG, deaths=None):
    deaths = deaths or Deaths()
    return [
        InstanceRecord(file_of(content, folder, syntax), deaths, pool.submit, preview=False)
        for content in contents
    ]


def frames_object(words, number=1, series="1.2.3.4"):
    fragments = [word + b"\1\2" for word in words]
    return encapsulated(
        (8, 8),
        fragments,
        number,
        NumberOfFrames=len(words),
        BitsStored=12,
        HighBit=11,
        SeriesInstanceUID=series,
    )


def reasons(record):
    return [frame.get("reason", {}).get("code", "") for frame in record.frames]


def wait(pool):
    deadline = time.monotonic() + 60

    def tick():
        assert time.monotonic() < deadline

    pool.wait(tick)


@impatient
@pytest.mark.parametrize(
    ("word", "reason"),
    [(b"KILL", "decoder_crashed"), (b"HANG", "time_limit"), (b"EATS", "memory_limit")],
)
def test_a_frame_that_ends_its_worker_is_one_tile(fake_decoder, pool, tmp_path, word, reason):
    content = frames_object([b"GOOD", b"GOOD", word, b"GOOD", b"GOOD"])
    (record,) = submitted(pool, [content], tmp_path)
    wait(pool)
    assert reasons(record) == ["", "", reason, "", ""]
    assert [frame["coding"] for frame in record.frames] == ["med", "med", "none", "med", "med"]


def test_other_objects_do_not_notice(fake_decoder, pool, tmp_path):
    contents = [frames_object([b"KILL"], 100, "1.9")]
    contents += [frames_object([b"GOOD"], number) for number in range(1, 30)]
    records = submitted(pool, contents, tmp_path)
    wait(pool)
    assert reasons(records[0]) == ["decoder_crashed"]
    assert all(reasons(record) == [""] for record in records[1:])


@pytest.mark.fault("G26")
def test_an_object_that_kills_again_and_again_is_given_up(fake_decoder, pool, tmp_path):
    (record,) = submitted(pool, [frames_object([b"KILL"] * 200)], tmp_path)
    wait(pool)
    assert reasons(record) == ["decoder_crashed"] * 200
    assert len(list((tmp_path / "spools").iterdir())) < 8  # a new process, a new spool


def test_a_series_that_kills_again_and_again_is_given_up(fake_decoder, pool, tmp_path):
    contents = [frames_object([b"KILL", b"GOOD"], number) for number in range(1, 41)]
    deaths = Deaths()
    records = submitted(pool, contents, tmp_path, deaths=deaths)
    wait(pool)
    found = [reasons(record) for record in records]
    assert all(codes[0] == "decoder_crashed" for codes in found)
    assert found[-1] == ["decoder_crashed"] * 2
    assert len(list((tmp_path / "spools").iterdir())) < 50


def test_many_frames_are_shared_out_and_all_come_back_in_order(fake_decoder, pool, tmp_path):
    words = [b"GOOD"] * 100
    words[50] = words[99] = b"KILL"
    deaths = Deaths()
    record = InstanceRecord(
        file_of(frames_object(words), tmp_path, TWELVE_BIT_JPEG),
        deaths,
        pool.submit,
        preview=False,
        shares=2,
    )
    wait(pool)
    codes = reasons(record)
    assert len(codes) == 100
    assert [n for n, code in enumerate(codes) if code] == [50, 99]
    assert {frame["spool"][0] for frame in record.frames if "spool" in frame} != {"pixels0001"}


@impatient
def test_a_worker_that_was_stopped_from_outside_is_ended(fake_decoder, pool, tmp_path, monkeypatch):
    monkeypatch.setattr("mkiso.pixels.worker_process._GRACE_SECONDS", 1.0)
    (record,) = submitted(pool, [frames_object([b"STOP", b"GOOD"])], tmp_path)
    wait(pool)
    assert reasons(record) == ["time_limit", ""]


def test_closing_ends_workers_that_hang(fake_decoder, tmp_path):
    pool = WorkerPool(tmp_path, workers=1, limits=Limits(frame_seconds=600))
    submitted(pool, [frames_object([b"HANG"])], tmp_path)
    wait_for(lambda: pool._processes)
    processes = [process._process for process in pool._processes.values()]
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 20
    assert [process.returncode for process in processes] == [-signal.SIGKILL]
    assert not [t for t in threading.enumerate() if t.name.startswith("pixels-")]


@pytest.mark.fault("G26")
def test_nothing_is_left_when_the_parent_is_killed(tmp_path):
    """The worker waits for a task when its parent goes: the end of the pipe ends it."""
    program = """
        import sys, time
        from pathlib import Path
        from mkiso.pixels.worker_pool import WorkerPool
        pool = WorkerPool(Path(sys.argv[1]), workers=2)
        pool.start()
        while len(pool._processes) < 2: time.sleep(0.01)
        print(*[p._process.pid for p in pool._processes.values()], flush=True)
        time.sleep(60)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}/exe").exists() for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_workers_that_never_start_are_an_error_and_no_tiles(tmp_path, monkeypatch):
    monkeypatch.setattr("mkiso.pixels.worker_process._BOOTSTRAP", "raise SystemExit(3)")
    pool = WorkerPool(tmp_path, workers=2)
    submitted(pool, [image(ramp(), n) for n in range(1, 6)], tmp_path, "1.2")
    with pytest.raises(InternalError, match="could not be started"):
        wait(pool)
    pool.close()


def test_what_decoders_print_does_not_spoil_the_answers(tmp_path, monkeypatch, pool):
    folder = tmp_path / "modules"
    folder.mkdir()
    noisy = DECODER.replace(
        "GetBuffer(self):", 'GetBuffer(self):\n            os.write(1, b"D\\n")'
    )
    (folder / "gdcm.py").write_text(textwrap.dedent(noisy))
    monkeypatch.syspath_prepend(str(folder))
    (record,) = submitted(pool, [frames_object([b"GOOD"] * 3)], tmp_path)
    wait(pool)
    assert reasons(record) == ["", "", ""]


def test_a_waiting_job_can_be_interrupted(fake_decoder, pool, tmp_path):
    submitted(pool, [frames_object([b"HANG"])], tmp_path)

    def tick():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.wait(tick)


def test_a_file_that_is_gone_is_an_error_and_no_tile(pool, tmp_path):
    instance = file_of(image(ramp()), tmp_path)
    instance.path.unlink()
    InstanceRecord(instance, Deaths(), pool.submit, preview=False)
    with pytest.raises(FileNotFoundError):
        wait(pool)


def test_a_full_disk_is_an_error_and_no_tile(tmp_path):
    folder = tmp_path / "spools"
    folder.mkdir()
    pool = WorkerPool(folder, workers=1)
    resource.prlimit(0, resource.RLIMIT_FSIZE)
    InstanceRecord(file_of(image(ramp()), tmp_path), Deaths(), pool.submit, preview=False)
    wait(pool)
    (process,) = pool._processes.values()
    resource.prlimit(process._process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
    noise = np.random.default_rng(1).integers(0, 60000, (64, 64)).astype("u2")
    InstanceRecord(file_of(image(noise), tmp_path), Deaths(), pool.submit, preview=False)
    with pytest.raises(OSError, match="File too large"):
        wait(pool)
    pool.close()
