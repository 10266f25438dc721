import dataclasses
import html
import html.parser
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest

from mkiso.core.display_text import PersonName
from mkiso.core.index_page import (
    DocumentLink,
    MissingSeries,
    PatientPart,
    SyntaxCount,
    ViewerPart,
)
from mkiso.core.job import Institution
from mkiso.disc import pages
from mkiso.disc.pages import check_templates, index_file, readme_file
from mkiso.errors import ConfigError

INSTITUTION = Institution("St. Mary's & Sons", "Radiology\nphone <123>", "Keep it private.")
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "a]]><!--",
]


def page(**changes):
    return dataclasses.replace(pages._sample_page(), **changes)


def text_of(file):
    return file.content.decode("utf-8")


def tree(file):
    return ET.fromstring(text_of(file))


def patient(name, **changes):
    values = {"patient_id": "1", "issuer_of_patient_id": "", "birth_date": "", "sex": ""}
    return PatientPart(PersonName(name), **{**values, **changes})


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def tags(file):
    parser = Tags()
    parser.feed(text_of(file))
    return parser.found


def test_the_page_names_patient_studies_series_and_institution():
    shown = " ".join(tree(index_file(page(), INSTITUTION)).itertext())
    wanted = [
        "Doe, Jane",
        "4711",
        "1970-01-01",
        "female",
        "CT Thorax",
        "A1",
        "Thorax",
        "CHEST",
        "St. Mary's & Sons",
        "phone <123>",
        "Keep it private.",
        "MKISO_A1",
        "README.TXT",
        "SHA256.TXT",
        "DICOMDIR",
    ]
    assert [word for word in wanted if word not in shown] == []


def test_the_page_is_well_formed_xml_in_utf_8_without_script_or_network():
    file = index_file(page(), INSTITUTION)
    assert ET.fromstring(file.content).attrib["lang"] == "en"
    found = tags(file)
    assert not [tag for tag, _ in found if tag in ("script", "img", "link", "iframe", "object")]
    assert not [a for _, attrs in found for a in attrs if a.startswith("on")]
    policy = next(a["content"] for t, a in found if a.get("http-equiv"))
    assert policy.startswith("default-src 'none';")
    targets = [a["href"] for _, a in found if "href" in a]
    assert targets
    assert not [t for t in targets if ":" in t or t.startswith("/")]
    assert not re.search(r"https?://(?!www\.w3\.org/1999/xhtml)", text_of(file))


def test_a_page_with_viewer_is_well_formed_xml_and_takes_scripts_of_the_disc_alone():
    file = index_file(page(viewer=ViewerPart()), INSTITUTION)
    assert ET.fromstring(file.content).attrib["lang"] == "en"
    found = tags(file)
    assert [a["src"] for tag, a in found if tag == "script"] == ["VIEWER/APP.JS"]
    assert [a["href"] for tag, a in found if tag == "link"] == ["VIEWER/APP.CSS"]
    policy = next(a["content"] for t, a in found if a.get("http-equiv"))
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["connect-src"] == "'none'"
    assert rules["script-src"] == "'self' file:"
    assert "http" not in policy


def test_without_script_the_page_is_whole_and_says_why_there_are_no_images():
    plain, viewer = (
        " ".join(tree(index_file(page(viewer=part), INSTITUTION)).itertext()).split()
        for part in (None, ViewerPart())
    )
    assert [word for word in plain if word not in viewer] == []
    note = next(a for _, a in tags(index_file(page(viewer=ViewerPart()), INSTITUTION))
                if a.get("id") == "viewer-note")  # fmt: skip
    assert "hidden" not in note
    assert "JavaScript" in viewer
    assert "JavaScript" not in plain


def test_documents_are_reached_without_script():
    part = ViewerPart((DocumentLink("A <letter>", "VIEWER/DOCS/D0001.PDF"),))
    file = index_file(page(viewer=part), INSTITUTION)
    assert ("a", {"href": "VIEWER/DOCS/D0001.PDF"}) in tags(file)
    assert "A <letter>" in " ".join(tree(file).itertext())


def test_reduced_pictures_are_said():
    words = "shown as reduced pictures"
    assert words in text_of(index_file(page(viewer=ViewerPart(previews=True)), INSTITUTION))
    assert words not in text_of(index_file(page(viewer=ViewerPart()), INSTITUTION))


def test_address_and_logo_of_the_institution_are_on_the_page(tmp_path):
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"\x89PNG\r\n\x1a\n")
    given = Institution("Ward", "phone", "", "Road 1\nCity", str(logo))
    for part in (None, ViewerPart()):
        file = index_file(page(viewer=part), given)
        image = next(a for tag, a in tags(file) if tag == "img")
        assert image == {
            "class": "logo",
            "src": "data:image/png;base64,iVBORw0KGgo=",
            "alt": "Ward",
        }
        policy = next(a["content"] for _, a in tags(file) if a.get("http-equiv"))
        assert "data:" in policy.partition("img-src")[2].partition(";")[0]
        assert "Road 1" in " ".join(tree(file).itertext())
    assert b"Road 1" in readme_file(given).content


@pytest.mark.parametrize("content", [None, b"MZ", b"\xff\xd8\xff" + bytes(300_000)])
def test_a_logo_that_is_no_small_picture_is_refused_in_words(tmp_path, content):
    if content is not None:
        (tmp_path / "logo").write_bytes(content)
    (problem,) = check_templates(None, str(tmp_path / "logo"))
    assert "logo" in problem


def test_a_site_may_change_the_colours_alone(tmp_path):
    (tmp_path / "disc").mkdir()
    (tmp_path / "disc" / "colours.css").write_text(":root { --accent: #c00; }")
    assert "--accent: #c00" in text_of(index_file(page(), INSTITUTION, tmp_path))
    assert check_templates(tmp_path) == ()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_text_and_nothing_else(text):
    sample = pages._sample_page()
    study = dataclasses.replace(
        sample.studies[0],
        description=text,
        accession_number=text,
        modalities=(text,),
        series=(dataclasses.replace(sample.studies[0].series[0], description=text, modality=text),),
    )
    given = page(
        patients=(patient(text, patient_id=text, sex=text, birth_date=text),),
        studies=(study,),
        volume_id=text,
    )
    file = index_file(given, Institution(text, text, text))
    plain = index_file(pages._sample_page(), Institution("x", "x", "x"))
    names = [tag for tag, _ in tags(file)]
    assert set(names) <= {tag for tag, _ in tags(plain)}
    attributes = {key for _, attrs in tags(file) for key in attrs}
    assert attributes <= {key for _, attrs in tags(plain) for key in attrs}
    assert text in " ".join(tree(file).itertext())


def test_an_empty_name_is_said_and_not_left_blank():
    shown = " ".join(tree(index_file(page(patients=(patient(""),)), INSTITUTION)).itertext())
    assert "no name given" in shown
    assert "not given" in shown


def test_all_groups_of_a_name_are_shown():
    person = dataclasses.replace(
        patient(""), name=PersonName("Hong, Gildong", "洪, 吉洞", "홍, 길동")
    )
    shown = " ".join(tree(index_file(page(patients=(person,)), INSTITUTION)).itertext())
    assert all(part in shown for part in ("Hong, Gildong", "洪, 吉洞", "홍, 길동"))


def test_an_incomplete_disc_says_so_and_names_the_gap():
    gap = MissingSeries("1.2", "1.2.3", "Abdomen", ("1.2.3.4", "1.2.3.5"), "17", "CT")
    counted = MissingSeries("1.2", "1.2.6", "", (), "", "US", unnamed=3)
    file = index_file(page(complete=False, missing=(gap, counted)), INSTITUTION)
    shown = " ".join(tree(file).itertext())
    assert "This disc is incomplete" in shown
    assert "5 objects could not be retrieved" in shown
    assert all(word in shown for word in ("Abdomen", "1.2.3", "1.2.3.4", "1.2.3.5", "17", "CT"))
    assert "3 of series 1.2.6, which the archive counts" in shown
    complete = text_of(index_file(page(), INSTITUTION))
    assert "incomplete" not in complete


def test_one_of_several_discs_says_which():
    shown = " ".join(tree(index_file(page(number=2, of=3), INSTITUTION)).itertext())
    assert "disc 2 of 3" in shown
    assert "disc 1 of 1" not in " ".join(tree(index_file(page(), INSTITUTION)).itertext())


def test_conformance_is_stated_as_it_is():
    met = " ".join(tree(index_file(page(), INSTITUTION)).itertext())
    syntax = SyntaxCount("JPEG Baseline", "1.2.840.10008.1.2.4.50", 2)
    other = index_file(page(transfer_syntaxes=(syntax,), profile_met=False), INSTITUTION)
    unmet = " ".join(tree(other).itertext())
    assert "as the application profile STD-GEN-CD" in met
    assert "does not meet the application profile STD-GEN-CD" in unmet
    assert "1.2.840.10008.1.2.4.50" in unmet


def test_the_readme_is_plain_ascii_with_line_ends_for_every_editor():
    file = readme_file(Institution("St. Mary's & Sons", "phone <123>"))
    assert file.content.isascii()
    assert file.content.count(b"\n") == file.content.count(b"\r\n") > 30
    assert b"St. Mary's & Sons" in file.content  # no markup: nothing is escaped
    assert max(len(line) for line in file.content.decode().splitlines()) < 79


def test_a_readme_with_other_letters_says_that_it_is_utf_8():
    content = readme_file(Institution("Universitätsklinikum 서울")).content
    assert content.startswith(b"\xef\xbb\xbf")
    assert "서울" in content.decode("utf-8-sig")


def test_the_readme_is_the_same_on_every_disc():
    assert readme_file(INSTITUTION) == readme_file(INSTITUTION)


def test_control_characters_of_the_configuration_reach_no_page():
    institution = Institution("A\r\nB\x00C\u202e", "x\x1by")
    for file in (readme_file(institution), index_file(page(), institution)):
        assert not set(file.content) & {0x00, 0x1B}
        assert "\u202e" not in text_of(file)


def test_a_site_may_replace_one_template_and_keep_the_other(tmp_path):
    (tmp_path / "disc").mkdir()
    (tmp_path / "disc" / "README.TXT").write_text("Ours: {{ institution.name }}\n")
    assert readme_file(INSTITUTION, tmp_path).content == b"Ours: St. Mary's & Sons\r\n"
    assert index_file(page(), INSTITUTION, tmp_path) == index_file(page(), INSTITUTION)
    assert check_templates(tmp_path) == ()


def test_a_site_s_own_page_is_escaped_too_with_what_it_includes(tmp_path):
    """The name's ending (.HTM, .HTML) is not what decides."""
    (tmp_path / "disc").mkdir()
    (tmp_path / "disc" / "INDEX.HTM").write_text(
        "{% macro m(x) %}<i>{{ x }}</i>{% endmacro %}"
        '<p title="{{ institution.name }}">{{ m(institution.name) }}'
        "{% include 'disc/PART.J2' %}</p>"
    )
    (tmp_path / "disc" / "PART.J2").write_text("<b>{{ institution.name }}</b>")
    evil = Institution(name='"><script>alert(1)</script>')
    text = index_file(page(), evil, tmp_path).content.decode()
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 3
    assert "<i>" in text
    assert '"">' not in text


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ institution.nmae }}", "nmae"),
        ("{% if %}", "line 1"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{% include 'disc/NONE.TXT' %}", "disc/NONE.TXT"),
        ("{{ version.x() }}", "README.TXT"),
    ],
)
def test_a_broken_template_is_named_with_what_is_wrong(tmp_path, template, words):
    (tmp_path / "disc").mkdir()
    (tmp_path / "disc" / "README.TXT").write_text(template)
    with pytest.raises(ConfigError, match=re.escape(words)):
        readme_file(INSTITUTION, tmp_path)
    (problem,) = check_templates(tmp_path)
    assert words in problem


def test_a_broken_template_does_not_tell_values(tmp_path):
    (tmp_path / "disc").mkdir()
    (tmp_path / "disc" / "INDEX.HTM").write_text("{{ page.patients[0].name.alphabetic + 1 }}")
    with pytest.raises(ConfigError) as caught:
        index_file(page(patients=(patient("Secret, Name"),)), INSTITUTION, tmp_path)
    assert "Secret" not in str(caught.value)


def test_the_templates_that_come_with_the_program_render():
    assert check_templates() == ()


@pytest.mark.peers
def test_a_browser_opens_the_page_without_complaint(tmp_path, need_program):
    need_program("chromium")
    (tmp_path / "INDEX.HTM").write_bytes(index_file(page(), INSTITUTION).content)
    run = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu"),
            *(f"--user-data-dir={tmp_path}/profile", "--enable-logging=stderr", "--dump-dom"),
            f"file://{tmp_path}/INDEX.HTM",
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert "St. Mary's &amp; Sons" in html.unescape(run.stdout.decode()).replace("&", "&amp;")
    assert b"CONSOLE" not in run.stderr
    assert shutil.which("chromium")
