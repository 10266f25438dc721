"""Large compressed frames are decoded one at a time, whoever decodes them."""

import threading

from scripted_peer import wait_for

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
        wait_for(lambda: len(beats) > 2)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]


def test_small_frames_never_wait(tmp_path):
    frames = LargeFrames(tmp_path, lambda: None)
    with frames.room(LARGE), frames.room(1000):
        pass
