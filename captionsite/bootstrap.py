"""Make the virtual environment, install the pinned packages, and start one task of the Makefile.

Runs under whatever Python the machine has, before anything is installed: only the standard library, and only syntax
that Python 3.6 can read, so that an old one can say that it is too old.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from typing import NoReturn

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
NEEDED = (3, 11)
# What each task installs, and what it runs inside the environment.
TASKS = {
    "run": ("requirements.txt", ["-m", "captionsite.supervisor"]),
    "test": ("requirements/dev.txt", ["-m", "tests"]),
    "lint": ("requirements/dev.txt", ["-m", "tests", "--only", "lint"]),
    "bench": ("requirements/dev.txt", ["-m", "benchmarks"]),
    "chaos": ("requirements/dev.txt", ["-m", "benchmarks.chaos"]),
}
SETUP_MEGABYTES = 3000


def stop(sentence: str) -> NoReturn:
    """Say one sentence and end with status 1."""
    sys.stderr.write(sentence + "\n")
    raise SystemExit(1)


def find_python() -> str:
    """Give a Python that is new enough: this one, or a newer one on the PATH."""
    if sys.version_info >= NEEDED:
        return sys.executable
    for name in ("python3.13", "python3.12", "python3.11"):
        found = shutil.which(name)
        if found:
            return found
    stop(
        f"Caption Desk needs Python {NEEDED[0]}.{NEEDED[1]} or newer, and this is {sys.version.split()[0]}. "
        "Install a newer one, or name it: make run PYTHON=..."
    )


def inside(*parts: str) -> str:
    """Give the path of something inside the virtual environment."""
    return os.path.join(VENV, *parts)


def digest(requirements: str) -> str:
    """Give a hash of everything that decides what gets installed."""
    total = hashlib.sha256(requirements.encode())
    folder = os.path.join(ROOT, "requirements")
    for path in [os.path.join(ROOT, "requirements.txt")] + [
        os.path.join(folder, n) for n in sorted(os.listdir(folder))
    ]:
        with open(path, "rb") as file:
            total.update(file.read())
    return total.hexdigest()


def set_up(requirements: str) -> None:
    """Make the environment and install, unless exactly that was done before."""
    stamp = inside("installed-" + requirements.replace("/", "-"))
    wanted = digest(requirements)
    if os.path.exists(stamp) and os.path.exists(inside("bin", "python")):
        with open(stamp) as file:
            if file.read() == wanted:
                return
    free = shutil.disk_usage(ROOT).free // 1000000
    if free < SETUP_MEGABYTES:
        stop(f"Setting up needs about {SETUP_MEGABYTES} MB of disk and {free} MB are free. Free some and start again.")
    try:
        make_environment()
    except OSError as error:
        stop(f"The folder {ROOT} cannot be written ({error}). Choose another folder or mend its permissions.")
    sys.stderr.write(f"Installing what {requirements} pins (the first time takes some minutes) ...\n")
    command = [inside("bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.call([*command, "-r", requirements], cwd=ROOT):
        stop("Installing the packages failed; the lines above say why. Check the network and start again.")
    with open(stamp, "w") as file:
        file.write(wanted)


def make_environment() -> None:
    """Make .venv with pip in it, unless it is there and works."""
    python = inside("bin", "python")
    if os.path.exists(python) and subprocess.call([python, "-m", "pip", "--version"], stdout=subprocess.DEVNULL) == 0:
        return
    if not os.access(ROOT, os.W_OK):
        raise OSError("no write permission")
    sys.stderr.write("Making the virtual environment .venv ...\n")
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run(
        [find_python(), "-m", "venv", VENV], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if made.returncode:
        stop(
            "This Python cannot make a virtual environment. Install its package (Debian: apt-get install python3-venv)."
        )


def main() -> NoReturn:
    """Set up, then become the task."""
    if len(sys.argv) != 2 or sys.argv[1] not in TASKS:
        stop("Usage: bootstrap.py " + "|".join(sorted(TASKS)))
    find_python()
    requirements, command = TASKS[sys.argv[1]]
    try:
        set_up(requirements)
    except KeyboardInterrupt:
        stop("Stopped. Start again and it goes on.")
    os.chdir(ROOT)
    os.execv(inside("bin", "python"), [inside("bin", "python"), *command])


if __name__ == "__main__":
    main()
