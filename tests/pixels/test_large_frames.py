"""Large compressed frames are decoded one at a time, whoever decodes them."""

import threading
import time

from mkiso.pixels.large_frames import LargeFrames

LARGE = 20 << 20


def test_a_large_frame_waits_for_another_and_says_that_it_waits(tmp_path):
    beats, order = [], []
    first = LargeFrames(tmp_path, lambda: None)
    second = LargeFrames(tmp_path, lambda: beats.append(1))

    def wait():
        with second.room(LARGE):
            order.append("second")

    with first.room(LARGE):
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]
    assert len(beats) > 2


def test_small_frames_never_wait(tmp_path):
    frames = LargeFrames(tmp_path, lambda: None)
    with frames.room(LARGE), frames.room(1000):
        pass
