"""A whole desk as real processes, for tests of the story: web server, workers, scheduler, broker and database."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx2
import psycopg

from tests.services import RedisServer, free_port, new_postgres_database, postgres

ROOT = Path(__file__).resolve().parent.parent


def until(condition: Callable[[], Any], *, seconds: float = 60, every: float = 0.1, what: str = "") -> Any:
    """Wait until `condition` gives something true; give it. Raises TimeoutError saying `what` was waited for."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"after {seconds:g} s still not: {what or condition}")
        time.sleep(every)


@dataclass
class Child:
    """One process of the desk, in a session of its own, with its output in a file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def signal(self, number: int) -> None:
        """Send a signal to the process and all its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def stop(self, seconds: float = 20) -> int:
        """Ask it to end; kill it when it does not. Gives its exit status."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGKILL)
            return self.process.wait()
        finally:
            self.signal(signal.SIGKILL)


@dataclass
class Desk:
    """Starts and stops the processes of one deployment in a folder of its own.

    `database` is "sqlite" or "postgres"; `environment` overrides the processes' variables.
    """

    folder: Path
    database: str = "sqlite"
    environment: dict[str, str] = field(default_factory=dict)
    redis: RedisServer | None = None
    children: list[Child] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.redis is None:
            self.redis = RedisServer(free_port())
            self.redis.start()
        self.env = {
            **{k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG", "TMPDIR", "OMP_NUM_THREADS"}},
            "DATA_DIR": str(self.folder / "data"),
            "REDIS_URL": self.redis.url,
            "SECRET_KEY": "harness-only-" + "k3y" * 20,
            "CAPTION_MODEL": "demo",
            "DJANGO_SETTINGS_MODULE": "captionsite.settings",
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
            **self.environment,
        }
        if self.database == "postgres":
            self.env.setdefault("DATABASE_URL", migrated_postgres_database(postgres_url()))

    def run(self, *command: str, input: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one management command to its end."""
        result = subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=self.env, capture_output=True, text=True, input=input
        )
        if check and result.returncode:
            raise RuntimeError(f"manage.py {' '.join(command)}: {result.stdout}{result.stderr}")
        return result

    def prepare(self) -> None:
        """Give it tables and static files."""
        self.make_tables()
        (self.folder / "data" / "static").symlink_to(made_once("collected") / "static")

    def make_tables(self) -> None:
        """Copy all tables, the cache's among them: migrating takes longer than most tests. PostgreSQL's are there."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        if "DATABASE_URL" not in self.env:
            shutil.copy(made_once("migrated") / "captions.sqlite3", data)

    def spawn(self, name: str, *command: str, env: dict[str, str] | None = None) -> Child:
        """Start one process that is stopped with the desk at the latest."""
        log = self.folder / f"{name}-{len(self.children)}.log"
        output: IO[bytes] = log.open("wb")
        process = subprocess.Popen(
            command, cwd=ROOT, env={**self.env, **(env or {})}, stdout=output, stderr=output, start_new_session=True
        )
        output.close()
        child = Child(name, process, log)
        self.children.append(child)
        return child

    def start_web(self) -> Child:
        """Start the web server and wait until it answers; its address is `url`."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        child = self.spawn(
            "web", sys.executable, "-m", "uvicorn", "captionsite.asgi:application", "--port", str(port),
            "--timeout-graceful-shutdown", "2", "--log-level", "warning", "--lifespan", "off",
            env={"PORT": str(port)},
        )  # fmt: skip
        until(self._answers, what=f"the web server answers\n{child.log.read_text()}")
        return child

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/healthz", trust_env=False).status_code == 200
        except httpx2.HTTPError:
            return False

    def start_worker(self, name: str = "worker", env: dict[str, str] | None = None) -> Child:
        """Start one supervised caption worker, the command that deployments run."""
        return self.spawn(name, sys.executable, "-m", "worker", env=env)

    def start_scheduler(self) -> Child:
        """Start the process that keeps the timetable and works the default queue."""
        celery = [sys.executable, "-m", "celery", "-A", "captionsite.celery", "worker", "--beat", "--pool", "solo"]
        name = f"scheduler-{free_port()}@desk"
        return self.spawn("scheduler", *celery, "--queues", "default", "--loglevel", "info", "--hostname", name)

    def person(self, username: str, *groups: str) -> str:
        """Make a user and give a fresh API token of theirs."""
        self.run("shell", "-v0", "-c", (
            "from django.contrib.auth.models import Group, User\n"
            f"u = User.objects.create_user({username!r}, password='correct-horse-battery', is_staff={bool(groups)})\n"
            f"u.groups.set(Group.objects.filter(name__in={list(groups)!r}))"
        ))  # fmt: skip
        return self.run("token", username).stdout.strip().splitlines()[-1].split()[-1]

    def client(self, token: str = "") -> httpx2.Client:
        """Give an HTTP client of this desk's address."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=90, trust_env=False)

    def log_in(self, username: str) -> str:
        """Log in by the page as a browser does, and give the session cookie."""
        with self.client() as client:
            client.get("/accounts/login/")
            said = {"login": username, "password": "correct-horse-battery"}
            form = {**said, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
            answer = client.post("/accounts/login/", data=form, headers={"Referer": self.url})
            assert answer.status_code == 302, answer.text[:500]
            return client.cookies["sessionid"]

    def logs(self) -> str:
        """Give the ends of all processes' outputs, for a failing test's message."""
        return "\n".join(
            f"--- {child.name}\n{child.log.read_text(errors='replace')[-3000:]}" for child in self.children
        )

    def close(self) -> None:
        """Stop every process."""
        for child in reversed(self.children):
            child.stop()
        if self.redis:
            self.redis.kill()


_HOW = {
    "collected": [["collectstatic", "--noinput", "-v0"]],
    "migrated": [["migrate", "-v0"], ["createcachetable"]],
}


@functools.cache
def _shared() -> Path:
    """Give the folder of what processes of this run make once for all."""
    given = os.environ.get("DESK_TESTS_SHARED")  # absent outside of pytest: in `make chaos`
    folder = Path(given or tempfile.mkdtemp(prefix="desk-shared-"))
    if not given:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _first(name: str) -> Iterator[bool]:
    """Say to one process of this run that it is the first, while the others wait for what it makes."""
    with (_shared() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two would write over each other
        done = _shared() / f"{name}.done"
        yield not done.exists()
        done.touch()


@functools.cache
def made_once(name: str) -> Path:
    """Give a data directory that commands made once, whichever process of this run is the first to ask for it."""
    folder = _shared() / name
    folder.mkdir(exist_ok=True)
    with _first(name) as is_first:
        if is_first:
            environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder)}
            for command in _HOW[name]:
                subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True)
            for file in folder.glob("*.sqlite3"):
                with contextlib.closing(sqlite3.connect(file)) as database:
                    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # a copy of the file alone must be whole
    return folder


@functools.cache
def postgres_template(server: str) -> str:
    """Give the name of a database with all tables and no rows on a server, made by the first process to ask for it."""
    name = f"desk_{hashlib.sha256(f'{_shared()} {server}'.encode()).hexdigest()[:12]}"
    with _first(name) as is_first:
        if is_first:
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"')
            with tempfile.TemporaryDirectory() as folder:
                environment = {
                    "PATH": os.environ["PATH"],
                    "DATA_DIR": folder,
                    "DATABASE_URL": f"{server.rsplit('/', 1)[0]}/{name}",
                    "SECRET_KEY": "harness-only-" + "k3y" * 20,
                }
                for command in _HOW["migrated"]:
                    subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True)
    return name


def migrated_postgres_database(server: str) -> str:
    """Make a database with all tables on a server and give its URL."""
    return new_postgres_database(server, template=postgres_template(server))


_CLUSTER: list[str] = []


def postgres_url() -> str:
    """Give the address of one PostgreSQL server per test process, started at the first call."""
    if not _CLUSTER:
        given = os.environ.get("DATABASE_URL", "")
        _CLUSTER.append(given if given.startswith("postgres") else postgres(Path(tempfile.mkdtemp(prefix="desk-pg-"))))
    return _CLUSTER[0]


@contextlib.contextmanager
def desk(folder: Path, **options: Any) -> Iterator[Desk]:
    """Give a prepared desk, and stop all its processes afterwards."""
    made = Desk(folder, **options)
    try:
        made.prepare()
        yield made
    finally:
        made.close()
        shutil.rmtree(folder / "data", ignore_errors=True)
