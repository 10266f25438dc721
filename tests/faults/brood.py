"""A process with everything imported that forks a child for each run of the program.

Preloaded with `faulty_calls.c`, whose faults are armed in the child alone: a run costs what its job
costs, and hundreds of them fit into a test. One JSON object a line, in and out.
"""

# ruff: noqa: T201
import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from pathlib import Path


def main():
    library = ctypes.CDLL(os.environ["LD_PRELOAD"]) if os.environ.get("LD_PRELOAD") else None
    for name in json.loads(sys.argv[1]):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    remember_templates()
    print("{}", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            run(order, library)
        print(json.dumps({"pid": child}), flush=True)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)


def remember_templates():
    """Compile each template once for all runs, as they all have the same."""
    jinja2 = sys.modules.get("jinja2")
    if jinja2 is None:
        return
    from mkiso.disc.pages import check_templates  # noqa: PLC0415 - imported already

    compiled, compiling = {}, jinja2.Environment.compile

    def compile_once(self, source, name=None, filename=None, *more, **options):
        key = (source, name, bool(self.autoescape))
        if key not in compiled:
            compiled[key] = compiling(self, source, name, filename, *more, **options)
        return compiled[key]

    jinja2.Environment.compile = compile_once
    check_templates()


def run(order, library):
    """Be the program; never returns."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    redirect(order)
    os.environ.update(order["environment"])
    os.environ.pop("LD_PRELOAD", None)  # not for the children of the program
    code = 99
    try:
        from mkiso.cli.main import main as program  # noqa: PLC0415 - imported already

        before = set(sys.modules)
        make_faults(order, library)
        code = program(order["arguments"])
        calls = library.calls() if library else 0
        if library:
            library.arm(0, ctypes.c_long(0), 0, 0, b"", -1)
        if order.get("calls"):
            Path(order["calls"]).write_text(str(calls))
        if "report_modules" in order:
            Path(order["report_modules"]).write_text(json.dumps(sorted(set(sys.modules) - before)))
    except BaseException:  # noqa: BLE001 - seen by the test as code 99
        os.write(2, traceback.format_exc().encode())
    os._exit(code)


def redirect(order):
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        if order[name] is None:
            os.close(descriptor)
        else:
            place = os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(place, descriptor)
            os.close(place)


def make_faults(order, library):
    """What goes wrong in this run."""
    if handles := order.get("handles"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (handles, handles))
    if library is None:
        return
    library.calls.restype = ctypes.c_long
    if jump := order.get("jump"):
        library.jump(ctypes.c_long(jump[0]), ctypes.c_long(jump[1]))
    if arm := order.get("arm"):
        trace = -1
        if order.get("trace"):
            trace = os.open(order["trace"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nth, folder = ctypes.c_long(arm["nth"]), arm["folder"].encode()
        library.arm(arm["kinds"], nth, arm["errno"], arm["sticky"], folder, trace)


if __name__ == "__main__":
    main()
