from mkiso.errors import IdentityError, IncompleteError, NotFoundError, TemporaryError
from mkiso.toolbox.outcomes import joined

NOT_FOUND, AWAY = NotFoundError("not found"), TemporaryError("away")


def test_one_failure_alone_is_told_as_it_is():
    assert joined([NOT_FOUND])[:2] == (66, "not found")


def test_one_kind_keeps_its_code_and_several_are_10():
    assert joined([None, None])[0] == 0
    assert joined([NOT_FOUND, None])[0] == 66
    assert joined([NOT_FOUND, None, NOT_FOUND])[0] == 66
    assert joined([NOT_FOUND, AWAY])[0] == 10


def test_another_patients_instance_wins_over_everything():
    errors = [NOT_FOUND, IdentityError("foreign"), IncompleteError("gap"), None]
    assert joined(errors)[0] == 81
