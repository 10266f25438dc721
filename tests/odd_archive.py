"""The embedded archive with hooks: it does what a test tells it at each C-MOVE and C-FIND."""

import io
import threading
from contextlib import contextmanager, suppress

import pydicom
from ports import free_port
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from mkiso.archive import folder_scan
from mkiso.archive.query import Find, read_identifier
from mkiso.archive.sending import Originator, Sender, Sent, send_instance
from mkiso.archive.server import EmbeddedArchive
from mkiso.archive.services import FIND_MODELS, GET_MODELS, MOVE_MODELS, Services
from mkiso.core.identifier import encode_identifier
from mkiso.errors import MkisoError
from mkiso.network import dimse
from mkiso.network.transport import Deadlines, ProposedContext, connect

EXPLICIT = "1.2.840.10008.1.2.1"
NUMBERS_OF_INSTANCES = (0x00201208, 0x00201209)
STUDY_COUNT, SERIES_COUNT = 0x00201208, 0x00201209
SOP_INSTANCE_UID = 0x00080018


class OddArchive(EmbeddedArchive):
    """`on_move(move)` and `on_get(operation)` replace what it does, `on_find(level, answers)` may
    return other answers (lists of (tag, VR, value)) or a status."""

    def __init__(self, folder, destinations, **options):
        options.setdefault("port", free_port())  # its own even while it is stopped
        super().__init__(folder, destinations=destinations, **options)
        odd = OddServices.__new__(OddServices)
        odd.__dict__.update(self._services.__dict__)
        odd.archive = self
        self._services = odd
        self.on_move = self.on_get = self.on_find = None
        self.moves, self.gets = [], []
        self.released = threading.Event()  # ends what hangs
        self.associations = set()

    def _serve(self, association):
        self.associations.add(association)
        super()._serve(association)

    def stop(self, grace_seconds=3.0):
        self.released.set()
        super().stop(grace_seconds)

    def rescan(self, path):
        """Take a new file into the index."""
        assert path.is_relative_to(self.folder)
        folder_scan.update(self.index, self.folder, None)

    def kill(self):
        """Be gone at once, as after SIGKILL: all connections are cut."""
        self.released.set()
        threading.Thread(target=self.stop, args=(0.0,), daemon=True).start()
        for association in list(self.associations):
            association.abort()


class Held:
    """An archive that stops taking instances when it has so many, until it is let go."""

    def __init__(self, archive, count):
        self.is_reached, self.go_on = threading.Event(), threading.Event()
        storage = archive._services._storage
        take = storage.take

        def hold(*given):
            if archive.contents.instances >= count:
                self.is_reached.set()
                self.go_on.wait(60)
            return take(*given)

        storage.take = hold

    def wait(self):
        assert self.is_reached.wait(60)


class OddServices(Services):
    def _find(self, operation):
        if self.archive.on_find is None:
            super()._find(operation)
            return
        identifier = read_identifier(
            operation.request.data,
            operation.request.context.transfer_syntax,
            FIND_MODELS[operation.request.context.abstract_syntax],
        )
        find = Find(identifier, "ABPACS")
        answers = []
        find._answer, kept = lambda *given: answers.append(kept(*given)) or [], find._answer
        list(find.answers(self._index, EXPLICIT))
        given = self.archive.on_find(identifier.level.name, answers)
        if isinstance(given, int):
            operation.refuse(given, "as the test says")
            return
        for keys in given:
            data = encode_identifier(keys, operation.request.context.transfer_syntax)
            operation.respond(0xFF00, data)
        operation.respond(0x0000)

    def _get(self, operation):
        if self.archive.on_get is None:
            super()._get(operation)
            return
        instances = self._asked_for(operation, GET_MODELS)
        get = Get(self, operation, instances, len(self.archive.gets))
        self.archive.gets.append(get)
        with suppress(MkisoError):  # the job has hung up
            self.archive.on_get(get)

    def _move(self, operation):
        instances = self._asked_for(operation, MOVE_MODELS)
        move = Move(self, operation, instances, len(self.archive.moves))
        self.archive.moves.append(move)
        with suppress(MkisoError):  # the job has hung up
            if self.archive.on_move is None:
                move.normally()
            else:
                self.archive.on_move(move)


class Retrieval:
    """One C-MOVE or C-GET and the means to answer it well or badly."""

    models = MOVE_MODELS | GET_MODELS

    def __init__(self, services, operation, instances, number):
        self.number = number
        self.instances = instances
        self.operation = operation
        self.archive = services.archive
        self.message_id = operation.request.command["MessageID"]
        self._services = services
        identifier = read_identifier(
            operation.request.data,
            operation.request.context.transfer_syntax,
            self.models[operation.request.context.abstract_syntax],
        )
        self.level = identifier.level.name

    @property
    def uids(self):
        return [instance.sop_instance_uid for instance in self.instances]

    def normally(self, *, drop=(), **counts):
        """Send all but `drop`; say that all went well."""
        self.send([i for i in self.instances if i.sop_instance_uid not in drop])
        self.finish(0x0000, completed=len(self.instances), **counts)

    def finish(self, status, *, completed=None, failed=None, warning=None):
        counts = {"Completed": completed, "Failed": failed, "Warning": warning}
        self.operation.respond(
            status,
            **{f"NumberOf{k}Suboperations": v for k, v in counts.items() if v is not None},
        )

    def pending(self):
        self.operation.respond(0xFF00, NumberOfRemainingSuboperations=7)

    def hang(self):
        self.archive.released.wait(60)

    def store(self, association, data_set, *, instance="", data=None, message_id=None):
        """C-STORE a pydicom data set (or other `data` under its UIDs); give the status."""
        command = self.store_command(data_set, instance=instance, message_id=message_id)
        context = association.context_for(str(data_set.SOPClassUID))
        association.send(context.context_id, command, encoded(data_set) if data is None else data)
        return association.receive().command["Status"]

    def store_command(self, data_set, *, instance="", message_id=None):
        return {
            "CommandField": dimse.C_STORE_RQ,
            "MessageID": 1,
            "AffectedSOPClassUID": str(data_set.SOPClassUID),
            "AffectedSOPInstanceUID": instance or str(data_set.SOPInstanceUID),
            "Priority": 0,
            "MoveOriginatorApplicationEntityTitle": self.operation.association.calling_ae_title,
            "MoveOriginatorMessageID": message_id or self.message_id,
        }

    def read(self, number=0):
        """The data set of an instance that was asked for."""
        return pydicom.dcmread(self.instances[number].path)


class Move(Retrieval):
    """By associations with the destination."""

    def send(self, instances=None, *, message_id=None, ae_title=None):
        """Send over one association as an archive does; give how many were taken."""
        instances = self.instances if instances is None else instances
        if not instances:
            return 0
        sender = Sender(
            self.destination,
            instances,
            calling_ae_title="ABPACS",
            originator=Originator(
                ae_title or self.operation.association.calling_ae_title,
                message_id or self.message_id,
            ),
            deadlines=Deadlines(),
        )
        with sender:
            return sum(sender.send(i) is Sent.COMPLETED for i in sender.instances)

    @property
    def destination(self):
        return self.archive.destinations[self.operation.request.command["MoveDestination"]]

    @contextmanager
    def associated(self, *, calling="ABPACS", syntax=EXPLICIT):
        """An association with the destination, to send what no archive should."""
        association = connect(
            self.destination.host,
            self.destination.port,
            calling_ae_title=calling,
            called_ae_title=self.destination.ae_title,
            contexts=[
                ProposedContext(uid, (syntax,)) for uid in {i.sop_class_uid for i in self.instances}
            ],
        )
        try:
            yield association
            association.release()
        finally:
            association.close()


class Get(Retrieval):
    """By the association that asks."""

    @property
    def association(self):
        return self.operation.association

    def send(self, instances=None):
        """Send on the requestor's association; give how many were taken."""
        instances = self.instances if instances is None else instances
        sent = [
            send_instance(self.association, i, other_message=self.operation.take) for i in instances
        ]
        return sent.count(Sent.COMPLETED)


def encoded(data_set):
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, data_set)
    return buffer.getvalue()


def without(*tags):
    """An `on_find` that leaves out attributes: dcmqrscp knows no counts."""

    def on_find(_level, answers):
        return [[key for key in keys if key[0] not in tags] for keys in answers]

    return on_find


def no_image_level(then=None):
    """An `on_find` of an archive without IMAGE level."""

    def on_find(level, answers):
        if level == "IMAGE":
            return 0xA900
        return then(level, answers) if then else answers

    return on_find


def file_bytes(data_set):
    buffer = io.BytesIO()
    data_set.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
