import subprocess
import sys
import threading

import pytest

from mkiso.later import Preparation, later


def test_a_module_is_imported_for_its_first_attribute():
    script = (
        "import sys; from mkiso.later import later; (it,) = later('mkiso.core.durations')\n"
        "before = 'mkiso.core.durations' in sys.modules\n"
        "print(it.parse_duration('2d', ''), before, 'mkiso.core.durations' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["172800.0", "False", "True"]


def test_what_is_missing_is_said_as_by_the_module():
    (durations,) = later("mkiso.core.durations")
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = durations.nothing_like_it
    (nowhere,) = later("mkiso.core.nowhere")
    with pytest.raises(ModuleNotFoundError):
        _ = nowhere.anything


def test_a_preparation_runs_beside_and_raises_when_it_is_required():
    here, go = threading.current_thread(), threading.Event()
    ran = []

    def then():
        ran.append((go.wait(30), threading.current_thread()))
        raise KeyError("broken")

    prepared = Preparation(["mkiso.core.durations"], then)
    assert ran == []
    go.set()
    for _ in range(2):
        with pytest.raises(KeyError, match="broken"):
            prepared.require()
    ((waited, thread),) = ran
    assert waited
    assert thread is not here


def test_the_first_question_to_the_archive_waits_for_no_later_stage():
    script = (
        "import sys, mkiso.pipeline\n"
        "print([name for name in ('jinja2', 'pycdlib', 'numpy', 'pydicom', 'pynetdicom',\n"
        "       'mkiso.stages.author', 'mkiso.stages.write') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
