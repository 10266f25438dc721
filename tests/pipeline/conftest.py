import os
import signal

import pytest
from whole_jobs import laboratory, study

from mkiso.cli.main import main


@pytest.fixture
def lab(tmp_path):
    """An archive with one study of four instances, accession number A1, not started yet."""
    with laboratory(tmp_path) as made:
        study(made.images)
        yield made


@pytest.fixture
def archive(lab):
    """The started archive."""
    return lab.start()


@pytest.fixture
def program():
    """The program in this process, which has its signal handlers and its umask back afterwards."""
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    umask = os.umask(0o022)
    os.umask(umask)
    yield main
    os.umask(umask)
    for number, handler in handlers.items():
        signal.signal(number, handler)
