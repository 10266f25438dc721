"""Names of transfer syntaxes against pydicom's dictionary."""

import pytest
from pydicom.uid import UID_dictionary

from mkiso.core.transfer_syntaxes import transfer_syntax_name

STANDARD = sorted(uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax")


@pytest.mark.parametrize("uid", STANDARD)
def test_a_standard_syntax_has_its_name(uid):
    assert transfer_syntax_name(uid) == UID_dictionary[uid][0]


def test_a_private_syntax_is_called_by_its_uid():
    assert transfer_syntax_name("1.3.46.670589.33.1.4.1") == "1.3.46.670589.33.1.4.1"
