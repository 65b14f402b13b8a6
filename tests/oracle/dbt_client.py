"""Does what a virtual environment's `dbt` does, in a process that has imported dbt already.

  python -I -S dbt_client.py ENVIRONMENT [ARGUMENT]...     as ENVIRONMENT/bin/dbt [ARGUMENT]...

Importing dbt is two seconds of work, and the tests start dbt hundreds of times. `dbt_server.py` has
imported it and forks for each call: that process has this one's arguments, folder, environment and
open files, gets its signals, and this one ends as that one does. Where no server can be had, the
program itself is run.
"""
import fcntl
import marshal
import os
import signal
import socket
import sys
import zlib

# Environment variables that Python and dbt's modules read while they are imported. Calls with different values use
# different servers, which have no other variables.
AT_IMPORT = (
    "DBT_ENGINE_RECORDER_", "DBT_MACRO_DEBUGGING", "DBT_PACKAGE_HUB_URL", "DBT_RECORDER_", "HOME", "LANG", "LC_",
    "MSGPACK_", "NETWORKX_", "OTEL_", "PROTOCOL_BUFFERS_", "PYTHON", "TZ",
)
PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def connect(path):
    """Returns a connection to the server at the path, or None if no server listens there."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


def start(environment, folder, path, variables):
    """Starts a server at the path. Clients can connect before the server has imported dbt."""
    if os.path.exists(path):
        os.unlink(path)
    server = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dbt_server.py")
    python = os.path.join(environment, "bin", "python")
    log = os.path.join(folder, "server.log")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        os.posix_spawn(python, [python, server, path], variables, setsid=True, setsigdef=PASSED_ON, file_actions=[
            (os.POSIX_SPAWN_DUP2, listener.fileno(), 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ])


def connected(environment):
    """Returns a connection to a server, which is started if necessary, one at a time."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(AT_IMPORT)}
    folder = os.path.join(environment, "served")
    path = os.path.join(folder, f"{zlib.crc32(marshal.dumps(sorted(variables.items()))):08x}.socket")
    connection = connect(path)
    if connection is None:
        with open(os.path.join(folder, "starting"), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            connection = connect(path)
            if connection is None:
                start(environment, folder, path, variables)
                connection = connect(path)
    return connection


def start_call(environment, words):
    """Returns a connection to the server after it has start_call the call."""
    call = marshal.dumps((words, os.getcwd(), dict(os.environb)))
    connection = connected(environment)
    socket.send_fds(connection, [len(call).to_bytes(8)], [0, 1, 2])
    connection.sendall(call)
    return connection if connection.recv(1) else None


def end_as(status):
    """Ends in the same way as a process with this wait status."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        if code != -signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def main():
    environment, *arguments = sys.argv[1:]
    words = [os.path.join(environment, "bin", "dbt"), *arguments]
    try:
        connection = start_call(environment, words)
    except OSError:
        connection = None
    if connection is None:
        os.execv(words[0], words)
    for number in PASSED_ON:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: connection.send(bytes([number])))
    status = connection.recv(4)
    if len(status) != 4:
        sys.exit("dbt_client.py: the server has ended before the call")
    end_as(int.from_bytes(status))


main()
