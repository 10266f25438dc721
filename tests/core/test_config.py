import dataclasses
import itertools
from pathlib import Path

import pytest

from mkiso.core.config import Config, NodeTable, overlay
from mkiso.core.config_layer import SettingError, parse_layer
from mkiso.core.job import Audit, Collector, Institution, Job, Node, ReceiverAddress, Tls
from mkiso.core.nodes import choose_node
from mkiso.core.setting_sources import (
    environment_layer,
    file_layer,
    json_layer,
    option_layer,
    set_layer,
)
from mkiso.core.settings import SETTINGS, build_job, effective
from mkiso.errors import ConfigError, DataError, UsageError
from mkiso.storage.config_file import tomllib

#: What is asked for, and what is made up for each run.
PER_RUN = {"job_id", "accession_numbers", "study_instance_uids"}


def job_from(file=None, environ=None, options=None, assignments=()):
    environment, _ = environment_layer(environ or {})
    given = overlay(set_layer(assignments), option_layer(options or {}))
    return build_job("job", ["A1"], [], [file_layer(file or {}), environment], given)


def test_without_anything_the_legacy_sites_values_hold():
    job = job_from()
    assert (job.archive.ae_title, job.archive.host, job.archive.port) == (
        "ABPACS",
        "localhost",
        11112,
    )
    assert job.receiver == ReceiverAddress("CDRECORD", 10104, "")
    assert job == Job(job_id="job", accession_numbers=("A1",), archive=job.archive)


def test_every_field_of_a_job_has_a_setting():
    assert {s.job_field for s in SETTINGS} == {f.name for f in dataclasses.fields(Job)} - PER_RUN
    assert {s.key for s in SETTINGS if s.job_field == "institution"} == {
        f"institution.{f.name}" for f in dataclasses.fields(Institution)
    }


def test_every_key_of_a_node_reaches_the_node():
    given = {
        "ae_title": "X",
        "host": "h",
        "port": 1,
        "calling_ae_title": "ME",
        "retrieve": "get",
        "send_from": ("1.2.3.4",),
        "send_as": ("Y",),
        "connect_timeout": 1.0,
        "find_timeout": 2.0,
        "stall_timeout": 3.0,
        "deadline": 4.0,
        "maximum_length": 5000,
        "retries": 6,
        "forward_associations": 7,
    }
    of_tls = {
        "tls": True,
        "tls_ca_file": "/ca.pem",
        "tls_certificate": "/we.pem",
        "tls_key": "/we.key",
        "tls_verify_host": False,
    }
    assert set(given) | set(of_tls) == set(NodeTable.__struct_fields__)
    node = choose_node("n", file_layer({"nodes": {"n": given | of_tls}}))
    assert list(given.values()) == [
        getattr(node, f.name) for f in dataclasses.fields(Node) if f.name not in ("name", "tls")
    ]
    assert node.tls == Tls("/ca.pem", "/we.pem", "/we.key", verify_host=False)


def test_tls_keys_without_the_switch_are_refused():
    """Who writes them expects encryption."""
    node = {"ae_title": "X", "host": "h", "port": 1, "tls_ca_file": "/ca.pem"}
    with pytest.raises(ConfigError, match=r"nodes\.n: tls_ca_file .* tls = true"):
        choose_node("n", file_layer({"nodes": {"n": node}}))
    assert choose_node("n", file_layer({"nodes": {"n": {**node, "tls": False}}})).tls is None


@pytest.mark.parametrize("key", ["tls_ca_file", "tls_key"])
def test_a_receiver_with_tls_needs_a_certificate(key):
    layer = file_layer({"receiver": {"tls": True, key: "/x.pem"}})
    with pytest.raises(ConfigError, match=r"receiver: .* tls_certificate"):
        build_job("j", ["A1"], [], [layer])
    layer = file_layer({"receiver": {"tls": True, "tls_certificate": "/we.pem"}})
    job = build_job("j", ["A1"], [], [layer])
    assert job.receiver == ReceiverAddress(tls=Tls(certificate="/we.pem"))


def test_names_of_certificates_need_an_authority():
    table = {"tls": True, "tls_certificate": "/we.pem", "tls_names": ["pacs.example"]}
    with pytest.raises(ConfigError, match="tls_names needs tls_ca_file"):
        build_job("j", ["A1"], [], [file_layer({"receiver": table})])
    layer = file_layer({"receiver": {**table, "tls_ca_file": "/ca.pem"}})
    tls = build_job("j", ["A1"], [], [layer]).receiver.tls
    assert tls == Tls("/ca.pem", "/we.pem", names=("pacs.example",))


def test_a_key_without_its_certificate_is_refused():
    node = {"ae_title": "X", "host": "h", "port": 1, "tls": True, "tls_key": "/we.key"}
    with pytest.raises(ConfigError, match="without tls_certificate"):
        choose_node("n", file_layer({"nodes": {"n": node}}))


#: For each setting a value as text, and what the job then has.
VALUES = {
    "archive": ("X@h:1", Node(name="X@h:1", ae_title="X", host="h", port=1)),
    "receiver": ("ME@127.0.0.1:1", ReceiverAddress("ME", 1, "127.0.0.1")),
    "job.output": ("out", Path("out")),
    "job.modality": ("CT,MR", ("CT", "MR")),
    "job.replace": ("true", True),
    "job.forward": ("X@h:1", (Node(name="X@h:1", ae_title="X", host="h", port=1),)),
    "job.skip_not_found": ("true", True),
    "job.per_patient": ("true", True),
    "job.max_instances": ("7", 7),
    "job.max_instance_size": ("7", 7),
    "job.max_size": ("7", 7),
    "job.stall_timeout": ("7.5", 7.5),
    "job.first_instance_timeout": ("7.5", 7.5),
    "job.quiet_period": ("0", 0.0),
    "job.deadline": ("7", 7.0),
    "job.lock_wait": ("0", 0.0),
    "job.minimum_free": ("0", 0),
    "job.requested_by": ("me", "me"),
    "job.viewer": ("none", "none"),
    "job.media_size": ("737280000", 737_280_000),
    "job.medium": ("dvd", "dvd"),
    "job.split": ("false", False),
    "job.profile": ("std-gen-cd", "STD-GEN-CD"),
    "job.compress": ("true", True),
    "job.icons": ("true", True),
    "job.label": ("pdf", "pdf"),
    "job.deliver_as": ("zip", "zip"),
    "run.encrypt": ("fd:3", "fd:3"),
    "job.robot": ("epson", "epson"),
    "job.copies": ("2", 2),
    "job.robot_folder": (r"\\server\discs", r"\\server\discs"),
    "job.robot_label": (r"C:\labels\a.std", r"C:\labels\a.std"),
    "job.image_mode": ("0600", 0o600),
    "job.deidentify": ("basic,retain-uids", "basic,retain-uids"),
    "job.deidentify_key": ("key", "key"),
    "job.pseudonyms": ("p.csv", "p.csv"),
    "job.burned_in": ("keep", "keep"),
    "job.blank_regions": ("r.csv", "r.csv"),
    "run.name": ("disc", "disc"),
    "run.allow_incomplete": ("true", True),
    "run.same_patient": ("true", True),
    "institution.name": ("I", Institution(name="I")),
    "institution.contact": ("C", Institution(contact="C")),
    "institution.privacy_notice": ("P", Institution(privacy_notice="P")),
    "institution.address": ("A", Institution(address="A")),
    "institution.logo": ("logo.png", Institution(logo="logo.png")),
    "templates.folder": ("t", Path("t")),
    "state.folder": ("s", Path("s")),
    "audit.file": ("a.xml", Audit(file=Path("a.xml"))),
    "audit.syslog": ("tls://h:7", Audit(collector=Collector("h", 7, is_tls=True))),
    "audit.timeout": ("7", Audit(timeout_seconds=7.0)),
    "audit.source_id": ("me", Audit(source_id="me")),
    "audit.site": ("S", Audit(site="S")),
    "audit.tls_ca_file": ("ca.pem", Audit(tls=Tls(ca_file="ca.pem"))),
    "audit.tls_certificate": ("we.pem", Audit(tls=Tls(certificate="we.pem"))),
    "audit.tls_key": ("we.key", Audit(tls=Tls(key="we.key"))),
    "audit.tls_verify_host": ("false", Audit(tls=Tls(verify_host=False))),
}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.key)
def test_every_setting_is_reached_by_environment_and_by_set(setting):
    text, value = VALUES[setting.key]
    assert getattr(job_from(environ={setting.environment: text}), setting.job_field) == value
    by_set = job_from(assignments=[f"{setting.key}={text}"])
    assert getattr(by_set, setting.job_field) == value
    assert getattr(job_from(), setting.job_field) != value


def test_environment_variables_are_distinct_and_have_the_promised_names():
    names = [setting.environment for setting in SETTINGS]
    assert len(set(names)) == len(names)
    assert {"MKISO_ARCHIVE", "MKISO_STALL_TIMEOUT", "MKISO_TEMPLATES", "MKISO_STATE"} <= set(names)


def test_an_option_wins_over_the_environment_and_that_over_the_file():
    file = {"job": {"stall_timeout": 1, "deadline": 1, "lock_wait": 1}}
    environ = {"MKISO_STALL_TIMEOUT": "2", "MKISO_DEADLINE": "2"}
    job = job_from(file, environ, {"stall_timeout": 3.0})
    seconds = (job.stall_timeout_seconds, job.deadline_seconds, job.lock_wait_seconds)
    assert seconds == (3.0, 2.0, 1.0)


SLOW = {"ae_title": "SLOW", "host": "h", "port": 104, "stall_timeout": 900.0, "deadline": 9000.0}


def times_of(job):
    """What holds in the end: the node's own times, else the job's."""
    stall = job.archive.stall_timeout_seconds or job.stall_timeout_seconds
    return stall, job.archive.deadline_seconds or job.deadline_seconds


@pytest.mark.parametrize(
    "archive", [{"archive": "slow", "nodes": {"slow": SLOW}}, {"archive": SLOW}]
)
def test_an_option_for_a_time_wins_over_what_the_file_says_of_the_node(archive):
    file = {**archive, "job": {"stall_timeout": 60.0, "deadline": 600.0}}
    assert times_of(job_from(file)) == (900.0, 9000.0)  # in one source the node is what is meant
    assert times_of(job_from(file, {}, {"deadline": 5.0})) == (900.0, 5.0)
    assert times_of(job_from(file, {}, {"stall_timeout": 4.0})) == (4.0, 9000.0)
    assert times_of(job_from(file, {"MKISO_STALL_TIMEOUT": "3"})) == (3.0, 9000.0)
    assert times_of(job_from(file, {}, {}, ["job.deadline=2"])) == (900.0, 2.0)


def test_a_time_of_a_node_in_an_option_is_the_nodes():
    file = {"archive": "slow", "nodes": {"slow": SLOW}}
    options = ["nodes.slow.deadline=7", "job.deadline=2"]
    assert times_of(job_from(file, {"MKISO_DEADLINE": "3"}, {}, options)) == (900.0, 7.0)
    file = {**file, "nodes": {"slow": {**SLOW, "deadline": 9.0}, "other": SLOW}}
    assert times_of(job_from(file, {}, {}, ["nodes.other.deadline=7"])) == (900.0, 9.0)


def test_a_flag_of_the_file_can_be_taken_back_by_an_option():
    assert job_from({"job": {"replace": True}}).replace
    assert not job_from({"job": {"replace": True}}, options={"replace": False}).replace


def test_the_built_in_node_can_be_changed_key_by_key():
    job = job_from({"nodes": {"abpacs": {"host": "pacs.example", "retrieve": "get"}}})
    assert job.archive.host == "pacs.example"
    assert job.archive.port == 11112
    assert job.archive.retrieve == "get"


def test_a_node_can_come_from_the_environment_alone():
    environ = {
        "MKISO_ARCHIVE": "backup",
        "MKISO_NODES_BACKUP_AE_TITLE": "B",
        "MKISO_NODES_BACKUP_HOST": "::1",
        "MKISO_NODES_BACKUP_PORT": "104",
    }
    node = job_from(environ=environ).archive
    assert (node.name, node.ae_title, node.host, node.port) == ("backup", "B", "::1", 104)


def test_the_archive_may_be_a_table_of_its_own():
    node = job_from({"archive": {"ae_title": "A", "host": "h", "port": 5}}).archive
    assert (node.name, node.ae_title) == ("archive", "A")


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"archve": "x"}, "archve: there is no such key; did you mean archive?"),
        ({"job": {"stall_timout": 3}}, "job.stall_timout: there is no such key; did you mean"),
        ({"job": {"stall_timeout": "x"}}, "job.stall_timeout: expected a number, got text."),
        ({"job": {"stall_timeout": float("inf")}}, "job.stall_timeout: expected a number of"),
        ({"job": {"stall_timeout": float("nan")}}, "job.stall_timeout: expected a number"),
        ({"job": {"stall_timeout": 0}}, "job.stall_timeout: expected a number above 0"),
        ({"job": {"same_patient": True}}, "job.same_patient: this is decided for one disc"),
        ({"run": {"same_patient": True}}, "run: there is no such key"),
        ({"job": {"image_mode": "rw"}}, "job.image_mode: write the permissions"),
        ({"job": {"image_mode": "1777"}}, "job.image_mode: write the permissions"),
        ({"job": {"forward": "backup"}}, "job.forward: expected a list, got text."),
        ({"job": {"forward": ["A@b"]}}, "job.forward: 'A@b' is not the address of a node"),
        ({"job": 3}, "job: a table is expected: [job]."),
        ({"nodes": 3}, "nodes: write one table a node: [nodes.NAME]."),
        ({"nodes": {"a b": {}}}, "nodes.a b: a node's name has letters"),
        ({"nodes": {"a": {"port": 70000}}}, "nodes.a.port: expected a whole number of at most"),
        ({"nodes": {"a": {"retrieve": "mov"}}}, "nodes.a.retrieve: 'mov' is not one of move, get."),
        ({"nodes": {"a": {"ae_title": "A\\B"}}}, "nodes.a.ae_title: The AE title"),
        ({"nodes": {"a": {"send_as": ["ok", ""]}}}, "nodes.a.send_as: An AE title is empty"),
        ({"receiver": "CDRECORD"}, "receiver: 'CDRECORD' is not an address of our own"),
        ({"receiver": {"ae_title": ""}}, "receiver.ae_title: An AE title is empty"),
        ({"archive": "A@h"}, "archive: 'A@h' is not the address of a node"),
    ],
)
def test_a_fault_in_the_file_names_the_key_with_its_path(raw, sentence):
    with pytest.raises(SettingError) as caught:
        file_layer(raw)
    assert caught.value.code == 78
    assert caught.value.message.startswith(sentence)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"archive": "bakup", "nodes": {"backup": {}}}, "did you mean backup?"),
        ({"archive": "x"}, "known are abpacs."),
        (
            {"archive": "b", "nodes": {"b": {"host": "h", "port": 1}}},
            "[nodes.b] in the configuration has no ae_title; add a line such as ae_title =",
        ),
        ({"job": {"forward": ["nowhere"]}}, "The node 'nowhere'"),
    ],
)
def test_a_node_that_is_not_configured_is_a_fault_of_the_configuration(config, sentence):
    with pytest.raises(ConfigError) as caught:
        job_from(config)
    assert sentence in caught.value.message


def test_a_node_that_an_option_names_and_nobody_configured_is_a_fault_of_the_option():
    with pytest.raises(UsageError):
        job_from(options={"archive": "nowhere"})
    with pytest.raises(UsageError):
        job_from(options={"forward": ("nowhere",)})


def test_every_source_names_itself_when_its_value_does_not_fit():
    with pytest.raises(ConfigError, match="environment variable MKISO_STALL_TIMEOUT: expected"):
        environment_layer({"MKISO_STALL_TIMEOUT": "soon"})
    with pytest.raises(UsageError, match=r"--stall-timeout: expected a number above 0"):
        option_layer({"stall_timeout": -1.0})
    with pytest.raises(UsageError, match=r"--set job\.replace: expected true or false"):
        set_layer(["job.replace=perhaps"])
    with pytest.raises(UsageError, match="write KEY=VALUE"):
        set_layer(["job.replace"])
    with pytest.raises(UsageError, match="both as a value and as a table"):
        set_layer(["archive=x", "archive.port=1"])
    with pytest.raises(DataError, match="JSON key stall_timeout: expected a number, got text"):
        json_layer({"stall_timeout": "5"})
    with pytest.raises(DataError, match="did you mean stall_timeout"):
        json_layer({"stall_timout": 5})


def test_a_misspelt_variable_is_told_and_a_foreign_one_is_not():
    config, warnings = environment_layer(
        {"MKISO_REPLCE": "true", "MKISO_HOME": "/x", "MKISO_CONFIG": "/y", "OTHER": "z"}
    )
    assert config == Config()
    assert len(warnings) == 1
    assert "MKISO_REPLACE" in warnings[0]


def test_an_empty_variable_counts_as_not_set():
    assert environment_layer({"MKISO_ARCHIVE": ""}) == (Config(), ())


def test_a_job_needs_an_accession_number_or_a_study():
    with pytest.raises(UsageError, match="No accession number"):
        build_job("j", [], [], [])
    assert build_job("j", [], ["1.2.3"], []).accession_numbers == ()
    with pytest.raises(UsageError, match="empty"):
        build_job("j", [" "], ["1.2.3"], [])


def test_forward_nodes_are_taken_once():
    job = job_from(options={"forward": ("X@h:1", "abpacs", "X@h:1")})
    assert [node.name for node in job.forward] == ["X@h:1", "abpacs"]


SAMPLE = Path(__file__).parents[2] / "docs" / "mkiso.sample.toml"


def sample_layer(text):
    return tomllib.loads(text)


def activated(text):
    """The sample with the keys that it shows taken out of their comments."""
    lines = text.splitlines()
    return "\n".join(
        line[1:] if line[:1] == "#" and line[1:2] not in ("", " ", "#") else line for line in lines
    )


def test_the_sample_file_as_it_stands_changes_nothing():
    layer = file_layer(sample_layer(SAMPLE.read_text("utf-8")))
    assert effective([layer]) == effective([])


def test_the_sample_file_shows_every_key():
    raw = sample_layer(activated(SAMPLE.read_text("utf-8")))
    parse_layer(raw)
    shown = set(
        itertools.chain(
            ({"archive"} if "archive" in raw else ()),
            (f"{t}.{key}" for t, table in raw.items() if isinstance(table, dict) for key in table),
        )
    )
    wanted = {s.key for s in SETTINGS if not s.key.startswith("run.")} - {"receiver"}
    assert wanted | {"receiver.ae_title", "receiver.port", "receiver.bind"} <= shown
    assert set(raw["nodes"]["abpacs"]) == set(NodeTable.__struct_fields__)


def test_the_sample_file_shows_the_true_defaults():
    text = SAMPLE.read_text("utf-8")
    without_examples = []
    example = False
    for line in text.splitlines():
        if line.startswith("# ") or line == "#":
            example = "example" in line
        elif not line.startswith("#"):
            example = False
        if not (example and line.startswith("#") and line[1:2] != " "):
            without_examples.append(line)
    raw = sample_layer(activated("\n".join(without_examples)))
    assert {"stall_timeout", "image_mode", "minimum_free"} <= set(raw["job"])
    assert {"retries", "maximum_length", "retrieve"} <= set(raw["nodes"]["abpacs"])
    assert build_job("j", ["A1"], [], [parse_layer(raw)]) == build_job("j", ["A1"], [], [])
