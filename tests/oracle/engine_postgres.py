"""Postgres, a real server: FORMULAC_POSTGRES_DSN when set, else a private throw-away cluster.

The cluster lives in a temporary directory, listens on a local socket only and is removed at the
end. FORMULAC_POSTGRES_BIN names the directory of other server binaries.
"""
import os
import pwd
import shutil
import subprocess
import tempfile
import time

import psycopg

from literals import native, qualified, quoted_name, rows_of
from missing import NotInstalled
from values import to_json


def server_binaries():
    """The directory that holds `initdb` and `postgres`."""
    given = os.environ.get("FORMULAC_POSTGRES_BIN")
    if given:
        return given
    on_path = shutil.which("initdb")
    if on_path:
        directory = os.path.dirname(os.path.realpath(on_path))
        if os.path.exists(os.path.join(directory, "postgres")):
            return directory
    debian = "/usr/lib/postgresql"                   # Debian keeps the server outside PATH
    versions = os.listdir(debian) if os.path.isdir(debian) else []
    for version in sorted((v for v in versions if v.isdigit()), key=int, reverse=True):
        directory = os.path.join(debian, version, "bin")
        if os.path.exists(os.path.join(directory, "initdb")):
            return directory
    raise NotInstalled("no Postgres server (Debian package postgresql); tests/setup.sh installs it")


class Engine:
    name = "postgres"

    def __init__(self):
        self.server = self.directory = self.connection = None
        dsn = os.environ.get("FORMULAC_POSTGRES_DSN") or self.start()
        deadline = time.time() + 30
        while True:
            try:
                # no prepared statements, because the tables that the same SQL reads can change
                self.connection = psycopg.connect(dsn, autocommit=True, prepare_threshold=None)
                break
            except psycopg.OperationalError:
                if time.time() > deadline:
                    self.close()
                    raise
                time.sleep(0.05)
        for statement in (
            "SET TimeZone = 'UTC'",
            "SET client_min_messages = error",
            "SET jit = off",                         # of tables without statistics it costs more than the query
            "CREATE SCHEMA IF NOT EXISTS formulac_oracle",
            "SET search_path = formulac_oracle, public",
        ):
            self.connection.execute(statement)

    def start(self):
        binaries = server_binaries()
        self.directory = tempfile.mkdtemp(prefix="formulac-postgres-")
        user = {}
        if os.geteuid() == 0:                        # the server refuses to run as root
            names = {entry.pw_name: entry for entry in pwd.getpwall()}
            entry = names.get("postgres") or names["nobody"]
            user = dict(user=entry.pw_uid, group=entry.pw_gid, extra_groups=[])
            os.chown(self.directory, entry.pw_uid, entry.pw_gid)
        options = dict(
            env=dict(os.environ, LC_ALL="C.UTF-8", HOME=self.directory), cwd=self.directory, **user
        )
        data = f"{self.directory}/data"
        subprocess.run(
            [f"{binaries}/initdb", "-D", data, "-U", "oracle", "-A", "trust", "-E", "UTF8",
             "--no-sync", "--locale=C.UTF-8"],
            check=True, stdout=subprocess.DEVNULL, **options,
        )
        self.server = subprocess.Popen(
            [f"{binaries}/postgres", "-D", data, "-k", self.directory, "-c", "listen_addresses=",
             "-F", "-c", "full_page_writes=off"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options,
        )
        return f"host={self.directory} user=oracle dbname=postgres"

    def load(self, table):
        execute = self.connection.execute
        columns = ", ".join(
            f'{quoted_name(column, str.lower)} {native(self.name, column["type"])}' for column in table["columns"]
        )
        name = qualified(table["name"], execute)
        execute(f"DROP TABLE IF EXISTS {name}")
        execute(f"CREATE TABLE {name} ({columns})")
        rows = rows_of(self.name, table)
        for start in range(0, len(rows), 500):
            values = ", ".join(f"({row})" for row in rows[start:start + 500])
            execute(f"INSERT INTO {name} VALUES {values}".encode())

    def query(self, sql):
        cursor = self.connection.execute(sql.encode())     # bytes: a `%` is not a parameter
        description = cursor.description or []
        rows = cursor.fetchall() if description else []
        types = []
        for column in description:
            info = psycopg.adapters.types.get(column.type_code)
            types.append(info.name if info else str(column.type_code))
        return [d.name for d in description], types, [[to_json(v) for v in row] for row in rows]

    def close(self):
        if self.connection:
            self.connection.close()
        if self.server:
            self.server.terminate()
            self.server.wait(20)
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)
