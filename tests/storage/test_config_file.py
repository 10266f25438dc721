import pytest

from mkiso.errors import ConfigError
from mkiso.storage.config_file import candidates, find_config_file, line_of, read_config_file


def write(folder, text, name="mkiso.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_files_are_looked_for_in_the_promised_order():
    paths = [str(path) for path in candidates({"HOME": "/home/u"})]
    assert paths == ["mkiso.toml", "/home/u/.config/mkiso/mkiso.toml", "/etc/mkiso.toml"]
    assert [str(path) for path in candidates({})] == ["mkiso.toml", "/etc/mkiso.toml"]


def test_the_option_wins_over_the_variable_and_that_over_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config_file(None, {"HOME": str(tmp_path)}) is None
    home = tmp_path / ".config" / "mkiso"
    home.mkdir(parents=True)
    in_home = write(home, "")
    environ = {"HOME": str(tmp_path)}
    assert find_config_file(None, environ) == in_home
    write(tmp_path, "")
    assert str(find_config_file(None, environ)) == "mkiso.toml"
    by_variable = write(tmp_path, "", "v.toml")
    environ["MKISO_CONFIG"] = str(by_variable)
    assert find_config_file(None, environ) == by_variable
    by_option = write(tmp_path, "", "o.toml")
    assert find_config_file(str(by_option), environ) == by_option


def test_a_named_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="MKISO_CONFIG"):
        find_config_file(None, {"MKISO_CONFIG": str(tmp_path / "x")})
    with pytest.raises(ConfigError, match="--config"):
        find_config_file(str(tmp_path), {})


def test_folders_in_the_file_are_relative_to_the_file(tmp_path):
    path = write(tmp_path, '[job]\noutput = "discs"\n[templates]\nfolder = "/abs"\n')
    config = read_config_file(path)
    assert config.job.output == str(tmp_path / "discs")
    assert config.templates.folder == "/abs"


def test_a_byte_order_mark_does_not_matter(tmp_path):
    path = tmp_path / "mkiso.toml"
    path.write_bytes(b'\xef\xbb\xbfarchive = "A@h:1"\n')
    assert read_config_file(path).archive == "A@h:1"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("# x\n[job]\nstall_timeout = \n", ":3: Invalid value"),
        ("[job]\n\nstall_timout = 3\n", ":3: job.stall_timout: there is no such key"),
        ('archve = "x"\n', ":1: archve: there is no such key"),
        ("[nodes.a]\nport = 1\n[nodes.b]\nport = 70000\n", ":4: nodes.b.port: expected"),
        ("nodes.a.port = 0\n", ":1: nodes.a.port: expected"),
        ('[nodes."a"]\nretries = -1\n', ":2: nodes.a.retries"),
        ("[recevier]\n", ":1: recevier: there is no such key; did you mean receiver?"),
        ("nodes = { a = { port = 0 } }\n", ":1: nodes.a.port"),
    ],
)
def test_a_fault_names_file_and_line(tmp_path, text, where):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_config_file(path)
    assert caught.value.message.startswith(f"{path}{where}")


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "mkiso.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_config_file(path)


def test_the_line_of_a_key_that_is_not_there_is_its_tables_or_none():
    assert line_of("[job]\na = 1\n", "job.b") == 1
    assert line_of("x = 1\n", "job.b") is None
