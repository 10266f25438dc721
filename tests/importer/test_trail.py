"""What an importer sends is in the audit trail, folder by folder."""

import json

from audit_schema import checked, event_of, objects
from importing import NAME, SECRETS

BEGIN, TRANSFERRED = "110102", "110104"


def once(inbox):
    """Run once with an audit file outside the state folder: it holds PatientIDs."""
    return inbox.once("--set", f"audit.file={inbox.folder / 'audit.xml'}")


def lines(inbox):
    text = (inbox.state / "transfers.jsonl").read_text()
    assert not any(secret in text for secret in SECRETS)
    return [json.loads(line) for line in text.splitlines()]


def messages(inbox):
    path = inbox.folder / "audit.xml"
    return [checked(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_folder_that_is_imported_is_one_line_and_its_messages(inbox):
    inbox.archive()
    inbox.put()
    assert once(inbox)[0] == 0
    (line,) = lines(inbox)
    (row,) = line["transfers"]
    assert (line["command"], line["code"], row["way"]) == ("watch", 0, "sent")
    assert (row["studies"], row["instances"], row["failed"]) == (["1.2.3"], 3, 0)
    found = messages(inbox)
    assert [event_of(m) for m in found] == [(BEGIN, "E", "0"), (TRANSFERRED, "R", "0")]
    assert list(objects(found[0], "2")) == ["90210"]


def test_a_folder_that_is_rejected_is_a_line(inbox):
    inbox.archive()
    inbox.put("Nobody knows", study="1.2.9")
    once(inbox)
    (line,) = lines(inbox)
    assert (line["code"], line["transfers"]) == (65, [])
    assert messages(inbox) == []


def test_a_node_that_is_away_is_an_attempt_and_the_next_run_the_whole(inbox):
    inbox.archive()
    inbox.away()
    folder = inbox.put()
    assert once(inbox)[0] == 84
    (line,) = lines(inbox)
    assert [(row["instances"], row["failed"]) for row in line["transfers"]] == [(3, 0), (0, 3)]
    assert folder.name == NAME
    del inbox.nodes["away"]
    inbox.archive("away")
    assert once(inbox)[0] == 0
    again = lines(inbox)[1]
    assert [(row["instances"], row["failed"]) for row in again["transfers"]] == [(3, 0), (3, 0)]
