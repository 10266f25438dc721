from pathlib import Path

from mkiso.core.failure import failure_lines


def caught(action):
    try:
        action()
    except BaseException as error:  # noqa: BLE001 - any failure is wanted
        return "\n".join(failure_lines(error))
    raise AssertionError


def test_a_value_that_an_exception_quotes_is_not_in_the_log():
    def choke():
        int("doe^jane".upper())

    text = caught(choke)
    assert "DOE" not in text
    assert text.endswith("builtins.ValueError")
    assert "test_failure.py" in text
    assert "in choke: " in text


def test_causes_are_told_first_cause_first_and_without_values():
    def choke():
        try:
            {}["DOE^JANE".lower()]
        except KeyError as error:
            raise RuntimeError("DOE^JANE".lower()) from error

    text = caught(choke)
    assert text.index("builtins.KeyError") < text.index("which led to:")
    assert text.index("which led to:") < text.index("builtins.RuntimeError")
    assert "doe^jane" not in text


def test_names_of_code_and_files_are_told():
    assert "has no attribute 'nothing'" in caught(lambda: object().nothing)
    assert "No such file or directory /nowhere/x" in caught(lambda: Path("/nowhere/x").read_text())


def test_an_exception_that_is_its_own_cause_ends():
    error = ValueError("x")
    error.__cause__ = error
    assert failure_lines(error) == ["builtins.ValueError"]
