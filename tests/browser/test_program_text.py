"""The text of the program: what it may not use, and words in every language."""

import json
import re

from browser import viewer_files as files


def test_program_is_what_current_browsers_of_the_last_years_run():
    """Nothing of after ES2019, no markup out of texts, nothing stored, no code out of texts."""
    forbidden = {
        r"\?\.[\w(\[]": "optional chaining",
        r"\?\?": "nullish",
        r"\bimport\b[ (]": "import",
        r"\bexport\b ": "export",
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write": "markup from text",
        r"\beval\(|new Function": "code from text",
        r"localStorage|sessionStorage|indexedDB|document\.cookie": "storage",
        r"\bfetch\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon": "network",
        r"https?://(?!www\.w3\.org/2000/svg)": "address",
    }
    found = [
        (path.name, what)
        for path in sorted(files.TEMPLATES.glob("*.js"))
        for pattern, what in forbidden.items()
        if re.search(pattern, re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL))
    ]
    assert found == []


def test_every_language_has_every_text():
    locales = {
        path.stem: json.loads(path.read_text("utf-8"))
        for path in (files.TEMPLATES / "locales").glob("*.json")
    }
    assert {"en", "de", "fr", "es", "ko", "vi"} <= set(locales)
    for code, texts in locales.items():
        assert set(texts) == set(locales["en"]), code
        for key, text in texts.items():
            assert text.strip(), (code, key)
            assert sorted(re.findall(r"\{\w+\}", text)) == sorted(
                re.findall(r"\{\w+\}", locales["en"][key])
            ), (code, key)


def test_every_text_that_is_asked_for_exists():
    english = json.loads((files.TEMPLATES / "locales" / "en.json").read_text("utf-8"))
    code = "".join(path.read_text("utf-8") for path in files.TEMPLATES.glob("*.js"))
    for key in re.findall(r'words\.text\("([\w.]+)"[,)]', code):
        assert key in english
    for key in re.findall(r'words\.count\("([\w.]+)"', code):
        assert f"{key}.one" in english
        assert f"{key}.other" in english
