"""Imports dbt once, parses a small project, and forks for each call that `dbt_client.py` sends.

  python dbt_server.py SOCKET <the-socket-that-listens

A fork goes on as the program of the call. All else is done by one thread, as a fork takes no other
along. Without a call for IDLE_SECONDS the socket is removed and the server ends.
"""
import atexit
import contextlib
import gc
import importlib
import marshal
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading

IDLE_SECONDS = 60

# A project with one node of each kind that tests use. For the first node of a kind, dbt generates the code that reads
# and writes it, which takes most of the time of a call.
PROJECT = {
    "dbt_project.yml": "{name: small, version: '1.0', profile: small, config-version: 2}",
    "profiles.yml": "small: {target: dev, outputs: {dev: {type: duckdb, path: ':memory:'}}}",
    "models/orders.sql": "{{ config(materialized='table') }} select * from {{ source('raw', 'orders') }}",
    "models/joined.sql": "select o.id, s.name from {{ ref('orders') }} o join {{ ref('states') }} s on o.id = s.id",
    "models/properties.yml": """
version: 2
sources: [{name: raw, tables: [{name: orders, columns: [{name: id, data_tests: [unique]}]}]}]
models:
  - name: orders
    description: "{{ doc('orders') }}"
    columns: [{name: id, description: Number, data_tests: [not_null]}]
unit_tests:
  - name: joins
    model: joined
    given:
      - {input: ref('orders'), rows: [{id: 1}]}
      - {input: ref('states'), rows: [{id: 1, name: a}]}
    expect: {rows: [{id: 1, name: a}]}
exposures: [{name: report, type: dashboard, owner: {name: A, email: a@example.com}, depends_on: [ref('orders')]}]
""",
    "models/docs.md": "{% docs orders %}Orders{% enddocs %}",
    "seeds/states.csv": "id,name\n1,a\n",
    "tests/none.sql": "select * from {{ ref('orders') }} where id < 0",
    "macros/one.sql": "{% macro one() %}1{% endmacro %}",
}


def import_dbt():
    """Imports the program and the adapters, which dbt would import only after it has read the profile."""
    importlib.import_module("dbt.cli.main")
    adapters = importlib.import_module("dbt.adapters").__path__
    for module in pkgutil.iter_modules(adapters, "dbt.adapters."):
        importlib.import_module(module.name)
    # This setting, which dbt uses in its own tests, avoids parsing the macros again on each call. The call with
    # `PROJECT` has already parsed them.
    importlib.import_module("dbt_common.tests").enable_test_caching()


def parse_project():
    """Parses the small project, first from its files and then from what the first call stored."""
    # dbt imports all modules called `dbt_…` as plugins, including those next to this file.
    sys.path[0] = os.path.dirname(sys.executable)
    runner = importlib.import_module("dbt.cli.main").dbtRunner()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in PROJECT.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        options = ["--project-dir", folder, "--profiles-dir", folder, "--log-path", os.path.join(folder, "logs")]
        # The static parser starts threads, which do not exist in a fork.
        options += ["--quiet", "--no-send-anonymous-usage-stats", "--no-static-parser"]
        for _ in range(2):
            done = runner.invoke(["parse", *options])
            if not done.success:
                print("the small project was not parsed:", done.exception, flush=True)
    importlib.import_module("dbt.adapters.factory").reset_adapters()
    importlib.import_module("dbt.deprecations").reset_deprecations()


class Call:
    """A running call: the connection to its client, and its process with a file that signals the end."""

    def __init__(self, connection, process):
        self.connection = connection
        self.process = process
        self.end = os.pidfd_open(process)

    def go_on(self, ready):
        """Passes messages on to the process or to the client. Returns False when the call has ended."""
        if self.end in ready:
            _, status = os.waitpid(self.process, 0)
            tell(self.connection, status.to_bytes(4))
            return False
        if self.connection in ready:
            # Each byte is a signal that the client received. If the client has ended, there are no bytes.
            try:
                numbers = self.connection.recv(64)
            except ConnectionResetError:
                numbers = b""
            for number in numbers or [signal.SIGKILL]:
                signal.pidfd_send_signal(self.end, number)
        return True

    def close(self):
        self.connection.close()
        os.close(self.end)


def tell(connection, what):
    """Sends a message to a client, which may have ended."""
    with contextlib.suppress(OSError):
        connection.sendall(what)


def received(connection):
    """Returns the call that a client sends, and the client's standard input, output and error."""
    size, files, _, _ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as rest:
        return marshal.loads(rest.read(int.from_bytes(size))), files


def serve(listener):
    """Serves until there are no calls for some seconds. In a fork, returns the call and the client's files."""
    calls = []
    while True:
        files = [listener, *(call.connection for call in calls), *(call.end for call in calls)]
        ready, _, _ = select.select(files, [], [], None if calls else IDLE_SECONDS)
        if not ready and not calls:
            return None
        for call in calls[:]:
            if not call.go_on(ready):
                calls.remove(call)
                call.close()
        if listener in ready:
            connection, _ = listener.accept()
            try:
                words, standard = received(connection)
            except (EOFError, OSError):
                # The client ended before it sent the call.
                connection.close()
                continue
            process = os.fork()
            if process == 0:
                for open_here in [listener, connection, *calls]:
                    open_here.close()
                return words, standard
            for file in standard:
                os.close(file)
            calls.append(Call(connection, process))
            tell(connection, b"+")


def become(call, standard):
    """Continues as the program, with the client's environment and files."""
    words, folder, variables = call
    for number, file in enumerate(standard):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environb.clear()
    os.environb.update(variables)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))
    sys.argv = words
    sys.path[0] = os.path.dirname(words[0])
    try:
        runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        # Everything that Python does on exit, except unloading the imported modules, which takes half a second.
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code)
    finally:
        gc.unfreeze()


def main():
    # File descriptors of the first client's parents, which the server must not hold open.
    os.closerange(3, 1024)
    listener = socket.socket(fileno=os.dup(0))
    import_dbt()
    parse_project()
    # The imported objects do not change, so garbage collection in a fork skips them. Otherwise, it would copy their
    # memory.
    gc.collect()
    gc.freeze()
    fork = serve(listener)
    if fork:
        become(*fork)
    else:
        os.unlink(sys.argv[1])


main()
