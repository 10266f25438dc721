"""What all tests share: where the real data and the real peers are, if they are."""

import shutil
import signal
from pathlib import Path

import ports
import pytest
from hypothesis import HealthCheck, settings

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"

# A run in the background inherits ignored signals (nohup, `&`), and so would every program that is
# started here to be ended by one.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(
            _number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL
        )


def pytest_configure(config):
    """The same examples each time, however slow the machine; new ones at night."""
    settings.register_profile(
        "mkiso",
        deadline=None,
        derandomize=config.option.markexpr != "nightly",
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("mkiso")


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
    return ports.free_port()


@pytest.fixture(scope="session")
def need_program():
    """Skip, saying which, when a program from Debian is not installed."""

    def need(*names: str) -> None:
        for name in names:
            if shutil.which(name) is None and not Path("/usr/sbin", name).exists():
                pytest.skip(f"{name} is not installed")

    return need
