"""The program of the viewer is put together from templates, and a site may have its own."""

import json

import pytest

from mkiso.disc.pages import check_templates
from mkiso.disc.templates_folder import template_folders
from mkiso.disc.viewer_program import program_files
from mkiso.errors import ConfigError


@pytest.fixture
def site(tmp_path):
    def write(name, text):
        path = tmp_path / "viewer" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return tmp_path

    return write


def program(site_templates=None):
    return {file.path: file.content.decode("utf-8") for file in program_files(site_templates)}


def test_the_program_is_two_files_with_every_template_in_them():
    files = program()
    assert set(files) == {"VIEWER/APP.CSS", "VIEWER/APP.JS"}
    (own,) = template_folders()
    for path in (own / "viewer").rglob("*"):
        if path.suffix in {".js", ".css"}:
            assert path.read_text("utf-8") in files[f"VIEWER/APP{path.suffix.upper()}"], path
    assert files["VIEWER/APP.JS"].index("window.MKISO =") < files["VIEWER/APP.JS"].index("locale(")


def test_every_language_is_a_call_in_ascii():
    lines = program()["VIEWER/APP.JS"].splitlines()
    calls = [line for line in lines if line.startswith("MKISO.locale(")]
    assert {json.loads(f"[{call[13:-2]}]")[0] for call in calls} >= {"en", "de", "fr", "es", "ko"}
    assert all(call.isascii() and "<" not in call for call in calls)


def test_a_site_changes_colours_and_words_and_adds_a_language(site):
    site("colours.css", ":root { --viewer-accent: #c00; }")
    site("locales/en.json", '{"start.old": "Our words"}')
    folder = site("locales/cy.json", '{"start.old": "Geiriau </script>"}')
    files = program(folder)
    assert "--viewer-accent: #c00" in files["VIEWER/APP.CSS"]
    assert "--viewer-ground: #000" not in files["VIEWER/APP.CSS"]
    assert 'MKISO.locale("en",{"start.old":"Our words"});' in files["VIEWER/APP.JS"]
    words = 'MKISO.locale("cy",{"start.old":"Geiriau \\u003c/script\\u003e"});'
    assert words in files["VIEWER/APP.JS"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("locales/en.json", "{", "viewer/locales/en.json is no JSON"),
        ("assembly.txt", "APP.JS none.js", "viewer/none.js is missing"),
        ("assembly.txt", "APP.JS a b", "viewer/assembly.txt"),
        ("assembly.txt", "# nothing", "viewer/assembly.txt"),
    ],
)
def test_a_broken_template_is_named_before_anything_is_asked(site, name, text, words):
    folder = site(name, text)
    with pytest.raises(ConfigError, match=words):
        program(folder)
    (problem,) = check_templates(folder)
    assert words in problem
