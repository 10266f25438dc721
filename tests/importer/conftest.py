import contextlib

import pytest
from importing import Inbox


@pytest.fixture
def inbox(tmp_path):
    """A watched folder with an embedded archive as the destination `pacs`."""
    with contextlib.ExitStack() as stack:
        yield Inbox(tmp_path, stack)
