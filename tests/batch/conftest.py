import pytest
from batch_runs import Runs, studies
from whole_jobs import laboratory


@pytest.fixture
def lab(tmp_path):
    """A started archive with the studies A1 to A4, three instances each."""
    with laboratory(tmp_path) as made:
        studies(made, "A1", "A2", "A3", "A4")
        made.start()
        yield made


@pytest.fixture
def runs(lab):
    return Runs(lab)
