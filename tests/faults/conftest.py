"""Laboratories, and the program with faults below it."""

import tempfile
from pathlib import Path

import pytest
from faults.programs import Brood, Site, compile_faulty_calls
from whole_jobs import laboratory, study


@pytest.fixture
def lab(tmp_path):
    """An archive with one study of three instances, accession number A1, not started yet."""
    with laboratory(tmp_path) as made:
        study(made.images, 3)
        made.settings["viewer"] = "none"  # most faults have nothing to do with it
        yield made


@pytest.fixture
def archive(lab):
    """The started archive."""
    return lab.start()


@pytest.fixture(scope="module")
def module_lab():
    """One archive for all tests of a module; each makes its own output folder.

    In memory where there is a folder for it: hundreds of jobs bring each file to the disk.
    """
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        laboratory(Path(folder)) as made,
    ):
        study(made.images, 3)
        made.start()
        yield made


@pytest.fixture(scope="module")
def brood(module_lab, tmp_path_factory):
    """The process that runs of the program are forked from."""
    folder = tmp_path_factory.mktemp("brood")
    brood = Brood(folder, compile_faulty_calls(folder))
    site = Site(module_lab, brood)
    try:
        brood.start(site.arguments(), site.environment)
        yield brood
    finally:
        brood.stop()


@pytest.fixture
def site(module_lab, brood):
    """Runs of the program with an output and a state folder of their own."""
    made = Site(module_lab, brood)
    made.forget()
    yield made
    made.forget()


@pytest.fixture
def faulty_site(site, brood):
    """The same, with calls that can be made to fail."""
    if brood.library is None:
        pytest.skip("a C compiler (cc) is needed for calls that fail")
    return site
