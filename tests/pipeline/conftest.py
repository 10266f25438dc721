import pytest
from whole_jobs import laboratory, study


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
