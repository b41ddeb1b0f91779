"""Commands without their imports: a process that has imported them all forks for each that the tests run.

Importing torch, Lightning and the rest takes seven seconds of CPU, and most commands of the tests less than that. The
stand-in for ``python`` that `warm_python` makes hands ``-m explainsal.NAME ...`` to that process, with its folder, its
environment and its standard streams; the fork runs the module as ``python -m`` does, and its exit code comes back.
SIGINT and SIGTERM are handed on. Anything else is given to the real Python.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import runpy
import select
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

IMPORTED = (
    *(f"explainsal.{name}" for name in ("train", "explain", "predict", "prepare", "report", "distill")),
    *(f"explainsal.app.{name}" for name in ("cli", "options", "runs", "training_data", "distilling", "jobs")),
    "explainsal.workflows.paper_tables.table", "explainsal.reporting.sweep",
)  # fmt: skip
CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
if sys.argv[1:2] != ["-m"] or not sys.argv[2].startswith("explainsal."):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
message = {{"module": sys.argv[2], "arguments": sys.argv[3:], "folder": os.getcwd(), "environment": dict(os.environ)}}
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
socket.send_fds(server, [b"!"], [0, 1, 2])
server.sendall(json.dumps(message).encode())
server.shutdown(socket.SHUT_WR)
answer = server.makefile()
process = int(answer.readline())
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: os.kill(process, number))
sys.exit(int(answer.readline()))
"""


@functools.cache
def warm_python() -> str:
    """The path of the stand-in; its server ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="warm"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = str(folder / "socket")
    server = subprocess.Popen(
        [sys.executable, __file__, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    client = folder / "python"
    client.write_text(CLIENT.format(python=sys.executable, address=address))
    client.chmod(client.stat().st_mode | stat.S_IXUSR)
    _servers.append(server)  # a pipe that nobody holds would be closed
    return str(client)


_servers: list[subprocess.Popen[bytes]] = []


def serve(address: str) -> None:
    """Answer until standard input ends; returns in a fork that is to run what it has been sent."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            sys.exit()
        connection, _ = listener.accept()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork() == 0:
            return answer(connection)
        connection.close()


def answer(connection: socket.socket) -> None:
    """Become the command that was sent; the parent, itself a fork, waits for its end and tells."""
    _, streams, *_ = socket.recv_fds(connection, 1, 3)
    message = json.loads(connection.makefile().read())
    pid = os.fork()
    if pid:
        connection.sendall(f"{pid}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        connection.sendall(str(code if code >= 0 else 128 - code).encode())
        os._exit(0)
    connection.close()
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
    # as a Python makes them: those of the server know other files, which could be sought in
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(message["folder"])
    os.environ.clear()
    os.environ.update(message["environment"])
    sys.argv[1:] = message["arguments"]
    sys.path[0] = message["folder"]
    sys.modules.pop(message["module"], None)  # it becomes __main__, and is imported again by who needs it
    runpy.run_module(message["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    import importlib

    from hydra.core.plugins import Plugins

    for name in IMPORTED:
        importlib.import_module(name)
    Plugins.instance()
    serve(sys.argv[1])
