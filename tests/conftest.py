"""What all tests share: where the real data and the real peers are, if they are."""

import shutil
import signal
import socket
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"

# A run in the background inherits ignored signals (nohup, `&`), and so would every program that is
# started here to be ended by one.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(
            _number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL
        )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = SHARED / "data"
    if not (folder / "MANIFEST.tsv").is_file():
        pytest.skip("the folder of real DICOM files (../shared/data) is not there")
    return folder


@pytest.fixture(scope="session")
def shared_tools() -> Path:
    folder = SHARED / "tools"
    if not (folder / "check_disc.sh").is_file():
        pytest.skip("the independent disc checker (../shared/tools) is not there")
    return folder


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def need_program():
    """Skip, saying which, when a program from Debian is not installed."""

    def need(*names: str) -> None:
        for name in names:
            if shutil.which(name) is None and not Path("/usr/sbin", name).exists():
                pytest.skip(f"{name} is not installed")

    return need
