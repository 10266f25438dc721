"""The faults that were thought of: one a line, with what must happen. Tests name them by their id.

`@pytest.mark.fault("F01")` ties a test to a row; `docs/faults.md` is made of both (`page.py`).
"""
# ruff: noqa: E501 - one fault a line

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One fault: what goes wrong, what must then happen, and the exit codes that are right."""

    id: str
    fault: str
    expected: str
    codes: str


#: Heading -> rows. Codes are those of the README; "-" where no job ends by the fault.
AREAS = {
    "Asking the archive": (
        Row("F01", "Nothing listens at the archive's address", "asked again with pauses, then given up; works when it is back", "75"),
        Row("F02", "The archive's address swallows connections", "given up at the connection time-out", "75"),
        Row("F03", "The association is rejected for good", "not asked again; both AE titles are named", "78"),
        Row("F04", "The association is rejected for now", "asked again", "75, then 0"),
        Row("F05", "The archive refuses Study Root FIND or MOVE", "said so, naming the service", "76"),
        Row("F06", "Three bytes of an answer, then silence", "ends at the time-out", "75"),
        Row("F07", "The answer drips, a byte at a time", "ends at the time-out", "75"),
        Row("F08", "No study has that accession number", "nothing is moved, nobody is let in", "66"),
        Row("F09", "An accession number that is empty, blank, a wildcard, too long, or has control characters", "refused before the network is touched; odd but legal ones arrive literally", "64"),
        Row("F10", "The archive ignores the accession number and lists everything", "nothing is believed that does not match exactly", "66"),
        Row("F11", "One accession number has two studies of one patient", "both are on the disc; with a Study Instance UID only that one", "0"),
        Row("F12", "One accession number has two patients", "refused, always", "82"),
        Row("F14", "The archive gives no counts", "its list of instances is what must arrive", "0"),
        Row("F15", "The archive gives neither lists nor counts", "no disc, since nothing can be compared", "80"),
    ),
    "Moving": (
        Row("F16", "The archive does not know our AE title as a destination, or cannot reach us", "nobody connected: how to register us; something arrived: asked again, then incomplete", "78, 80"),
        Row("F17", "Success, and nothing was sent", "a quiet period, then incomplete", "80"),
        Row("F18", "Success at once, the images later", "waited for", "0"),
        Row("F19", "Success at once, the images never", "waited for once, then incomplete", "80"),
        Row("F20", "Success, but one instance got lost on the way", "asked for by name; if it never comes, named", "0, 80"),
        Row("F21", "A warning with failed sub-operations", "what failed is asked for again", "0, 80"),
        Row("F23", "The archive is out of resources", "asked again later", "75, then 0"),
        Row("F24", "The connection breaks inside an object; the archive is killed", "the half object is removed, the rest asked for again", "0, 75"),
        Row("F25", "The archive hangs inside an object", "given up at the stall time", "75"),
        Row("F26", "Pending responses for ever, nothing stored", "given up at the stall time: pending responses do not count", "75"),
        Row("F27", "The archive stops and its connection stays half open", "given up at the time-out", "75"),
        Row("F28", "Only compressed, unusual or refused transfer syntaxes are proposed", "all but deflated and JPIP are taken; what cannot come is named", "0, 80"),
        Row("F29", "Instances of a private SOP class", "taken, on the disc with a PRIVATE record", "0"),
        Row("F30", "An instance of another study arrives during the job", "refused and nothing kept; no disc", "81"),
        Row("F31", "The right study UID, another PatientID, name or birth date", "no disc", "81"),
        Row("F33", "A stranger connects", "turned away, the job goes on", "0"),
        Row("F34", "An instance arrives several times, bytes equal", "kept once", "0"),
        Row("F35", "One SOP Instance UID arrives with two contents", "no disc", "81"),
        Row("F36", "Command and data set name different instances", "refused, then missing", "80"),
        Row("F37", "A data set that is cut off, random, empty, or not there", "refused, asked for again, then missing", "0, 80"),
        Row("F38", "The data set that a command promises never comes", "given up at the stall time", "75"),
        Row("F39", "PDUs of 4 GiB, nonsense, silent connections", "dropped, memory bounded, the job goes on", "0"),
        Row("F40", "Instances of a job before, or after an abort", "refused; nothing is written", "0"),
        Row("F42", "The archive cancels the move", "to be tried again", "75"),
    ),
    "Objects": (
        Row("F43", "Objects of several GiB", "streamed, memory bounded", "0"),
        Row("F44", "SR, KO, PR, RT, PDF, video, ECG, raw data", "on the disc under the right directory record", "0"),
        Row("F45", "Study ID, dates, numbers or PatientID are empty", "made up in DICOMDIR alone, with a warning; instances unchanged", "0"),
        Row("F46", "More instances than allowed; twenty thousand in one series", "the limit holds before anything is moved; large series are linear", "0, 85"),
        Row("F47", "Names with all groups, and longer than allowed", "DICOMDIR and page are right", "0"),
        Row("F48", "Several character sets in one study, and one that does not exist", "readable, or visibly replaced", "0"),
        Row("F49", "UIDs like paths, longer than 64, or with leading zeros", "no file outside the work folder", "0, 80"),
        Row("F50", "Markup, quotes, formulas and control characters in texts", "escaped everywhere", "0"),
        Row("F51", "Sequences nested a thousand deep; deflated data sets", "refused or read in bounded time and memory", "0, 80"),
        Row("F52", "More than the medium holds", "said before anything is written", "85"),
    ),
    "Disk and process": (
        Row("F53", "The disk fills while instances arrive", "answered A700H, half objects removed", "74"),
        Row("F54", "The Nth write, flush, rename, open fails, for every N", "no disc or a whole one, never half", "74 and others"),
        Row("F55", "The image reads back differently, or cannot be read", "not published", "83, 74"),
        Row("F57", "The output folder is read-only, missing, a file, another user's", "said before the archive is asked", "73"),
        Row("F58", "There is a disc of that name", "the same: done; another: refused", "0, 73"),
        Row("F61", "SIGTERM or SIGINT at any moment", "no disc and nothing left, or the finished disc", "143, 130"),
        Row("F62", "SIGKILL at any moment", "the next run sweeps and succeeds", "137, then 0"),
        Row("F63", "The caller closes stdout or stderr", "the job goes on, its result is in the state folder", "0"),
        Row("F64", "Two runs at once", "the second waits; same disc: done already; no time: later", "0, 75"),
        Row("F65", "The port belongs to another program", "said before the archive is asked", "75"),
        Row("F67", "Power fails at any moment", "no name without its whole content on the disk", "0 on the next run"),
        Row("F68", "A bug", "traceback in the log without values, one line for the person", "70"),
        Row("F69", "A broken configuration, template or certificate", "said before the network is touched", "78"),
    ),
    "Forwarding": (
        Row("F70", "The node refuses the contexts of one class", "the others are sent, the rest is named", "84"),
        Row("F71", "The node fails, warns or aborts at the nth instance", "a later run sends the rest; warnings count as sent", "84, 0"),
        Row("F72", "The node stops reading, or never answers", "given up at the time-out, the disc is there", "84"),
        Row("F74", "Objects that cannot be re-encoded", "sent as they are", "0"),
    ),
    "Batch and cron": (
        Row("F75", "One of many jobs fails, or several in different ways", "the others are done; one result with all of them", "its code, 10"),
        Row("F76", "The archive dies in the middle of a batch", "stops soon, the rest is 'not tried'", "75"),
        Row("F77", "Lists with byte order mark, CRLF, duplicates, blank lines, a million lines", "cleaned; a blank line is never a wildcard", "0"),
        Row("F78", "Two batches overlap", "the second leaves at once", "75"),
        Row("F79", "No HOME, no PATH, no locale", "works, in UTF-8", "0"),
        Row("F80", "TLS: a silent client, a wrong or expired certificate, an old version", "others are served; refused", "0, 78"),
    ),
    "More of a radiology department": (
        Row("G01", "The archive sends the whole study twice, since another workflow asked for it too", "one copy each", "0"),
        Row("G02", "The scanner still sends: the study grows while it is fetched", "fetched too, or incomplete if it never settles", "0, 80"),
        Row("G03", "The patient is merged with another between two series", "no disc", "81"),
        Row("G04", "The patient's name is corrected between two series", "no disc: a person decides", "81"),
        Row("G05", "The study is deleted, or moved to another number, between list and move", "incomplete, and every instance is named", "80, 66"),
        Row("G06", "The output folder is on a network share without hard links, locks or reservation", "works all the same", "0"),
        Row("G07", "The share tells of a full disk only when the file is closed", "no disc", "74"),
        Row("G08", "The clock jumps, by daylight saving or a time server, both ways", "no waiting time changes", "0"),
        Row("G09", "An instance is replaced in the archive between two requests of one job", "no disc", "81"),
        Row("G10", "The archive counts the objects that it never sends (its own notes)", "incomplete, and the gap is said", "80"),
        Row("G11", "The archive's counts are wrong, its list is right", "what it lists is what counts", "0, 80"),
        Row("G12", "The network drops now and then: every third association breaks", "asked again until all is there", "0"),
        Row("G13", "The archive sends from several addresses or titles at once", "allowed ones are served side by side", "0"),
        Row("G14", "The archive is restarted during a job", "asked again", "0, 75"),
        Row("G15", "An operator puts in the same disc order twice", "done already", "0"),
        Row("G16", "Somebody tidies up the output folder during the job", "an error, no half disc", "73, 74, 83"),
        Row("G17", "The temporary folder is full, or does not exist", "not needed", "0"),
        Row("G18", "The accession number is there in another case, or with blanks", "not believed: no study of that number", "66"),
        Row("G19", "No file handles are left for a while", "an error, no half disc; the next run succeeds", "74 and others"),
        Row("G20", "The log's disk is full or read-only", "a warning, and the disc", "0"),
        Row("G21", "A modality worklist entry without images: a study with no instance", "nothing to put on a disc", "66"),
        Row("G22", "The archive answers each query with thousands of studies", "ended at the limit", "85"),
        Row("G23", "A port scanner and a monitoring probe knock during the job", "they are ignored", "0"),
        Row("G24", "The archive closes idle associations between query and move", "a new one is opened", "0"),
        Row("G25", "A run is killed after its disc has its name, before it has told anybody", "the next run finishes the audit trail", "137"),
        Row("G26", "A worker of the viewer is killed, crashes, hangs or eats memory", "its frame is a tile, the disc is whole, no process stays", "0"),
        Row("G27", "What the toolbox moves is refused, stopped half way, or cannot be written down", "in the audit trail as far as it came; a warning", "any"),
    ),
}  # fmt: skip

ROWS = {row.id: row for rows in AREAS.values() for row in rows}
