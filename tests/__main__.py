"""`make test`: set up what the machine lacks, run every check and every test, and print one table.

python -m tests [--only STAGE ...] [--list]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRODUCTION = {
    "PUBLIC_URL": "https://captions.example.org",
    "BEHIND_PROXY": "yes",
    "SECRET_KEY": "checked-only-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEF",
    "DATABASE_URL": "postgres://desk:desk@database:5432/desk",
    "REDIS_URL": "redis://broker:6379/0",
}
# Areas whose tests need no torch: they run with torch blocked, once on SQLite and once on PostgreSQL.
WEB_HALF = (
    *(
        "admin",
        "albums",
        "api",
        "exports",
        "ingest",
        "jobs",
        "lab",
        "ledger",
        "media",
        "models",
        "operations",
        "quality",
    ),
    *("review", "search", "uploads", "web", "webhooks"),
)
WITHOUT_DATABASE = ("decoder", "outbound", "project")
WORKER_HALF = ("command", "demo", "engine", "worker")
PROCESSES = ("faults", "story", "browser", "clients")


@dataclass
class Result:
    """What one stage gave: counts of tests (one for a check), and how long it took in seconds."""

    stage: str
    passed: int
    failed: int
    skipped: int
    seconds: float


def say(words: str) -> None:
    """Print one line at once, also when the output is a file."""
    print(words, flush=True)


def python(*arguments: str) -> list[str]:
    """Give a command of this environment's Python."""
    return [sys.executable, *arguments]


# --- What the machine must have ------------------------------------------------------------------------------------


def missing_programs() -> list[str]:
    """Give the Debian packages of the programs that tests need and this machine lacks."""
    lacking = []
    if not shutil.which("chromium"):
        lacking.append("chromium")
    if not shutil.which("exiftool"):
        lacking.append("libimage-exiftool-perl")
    lacking += [package for program, package in (("node", "nodejs"), ("npm", "npm")) if not shutil.which(program)]
    postgres = shutil.which("initdb") or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not postgres and not os.environ.get("TEST_DATABASE_URL"):
        lacking.append("postgresql")
    return lacking


def install_programs() -> bool:
    """Install what is missing where that is possible, else name it. True when everything is there."""
    lacking = missing_programs()
    if not lacking:
        return True
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"Installing for the tests: {', '.join(lacking)} ...")
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-q"], **quiet)  # type: ignore[call-overload]  # two options by name
        subprocess.run(
            ["apt-get", "install", "-q", "-y", "--no-install-recommends", *lacking, "fonts-dejavu-core"], **quiet
        )  # type: ignore[call-overload]  # as above
    lacking = missing_programs()
    if lacking:
        say(f"The tests need programs that this machine lacks. Install these Debian packages: {' '.join(lacking)}")
    return not lacking


# --- Checks --------------------------------------------------------------------------------------------------------


def checks() -> dict[str, tuple[list[str], dict[str, str]]]:
    """Give every check: its command, and the variables it runs with."""
    return {
        "ruff": (python("-m", "ruff", "check", "."), {}),
        "format": (python("-m", "ruff", "format", "--check", "."), {}),
        "types": (python("-m", "mypy", "."), {}),
        "contracts": (python("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"), {}),
        "templates": (python("-m", "djlint", "templates", "--lint", "--quiet"), {}),
        "bandit": (python("-m", "bandit", "-q", "-lll", "-r", "captionsite", "captions", "worker", "clients"), {}),
        "migrations": (python("manage.py", "makemigrations", "--check", "--dry-run"), {}),
        "deployment": (python("manage.py", "check", "--deploy", "--fail-level", "WARNING"), PRODUCTION),
        "packages": (python("-m", "pip", "check"), {}),
        **compose_check(),
    }


def compose_check() -> dict[str, tuple[list[str], dict[str, str]]]:
    """Give the check of docker-compose.yml, where Docker's client with its compose plugin is installed."""
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        say("docker compose is not here, so docker-compose.yml is checked by tests/project/test_compose.py alone.")
        return {}
    variables = {"SECRET_KEY": PRODUCTION["SECRET_KEY"], "POSTGRES_PASSWORD": "x", "PUBLIC_URL": "https://example.org"}
    return {"compose": ([docker, "compose", "--profile", "gpu", "--profile", "cpu", "config", "--quiet"], variables)}


def run_checks() -> list[Result]:
    """Run every check, showing the output of those that fail."""
    results = []
    for name, (command, variables) in checks().items():
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "DATA_DIR": folder, **variables}
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            say(f"--- {name}: {' '.join(command)}\n{done.stdout}{done.stderr}")
        failed = int(done.returncode != 0)
        results.append(Result(f"check: {name}", 1 - failed, failed, 0, time.monotonic() - began))
    return results


# --- Tests ---------------------------------------------------------------------------------------------------------


def folders(*areas: str) -> list[str]:
    """Give the test folders of the areas. An area without a folder is a mistake in this file."""
    paths = [f"tests/{area}" for area in areas]
    absent = [path for path in paths if not (ROOT / path).is_dir()]
    if absent:
        raise SystemExit(f"tests/__main__.py names folders that do not exist: {', '.join(absent)}")
    return paths


def unnamed() -> list[str]:
    """Give test folders that no stage would run."""
    named = {*WEB_HALF, *WITHOUT_DATABASE, *WORKER_HALF, *PROCESSES}
    return sorted(path.parent.name for path in (ROOT / "tests").glob("*/__init__.py") if path.parent.name not in named)


def run_pytest(stage: str, areas: tuple[str, ...], *options: str, **variables: str) -> Result:
    """Run the tests of some areas in a process of their own. A skipped test counts as a failure of the stage."""
    say(f"\n=== {stage}")
    began = time.monotonic()
    # By itself xdist begins with the files of most tests; those of few, long ones would come last, on one core alone.
    spread = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--durations=15", "--durations-min=10")
    command = python("-m", "pytest", "-q", *spread, *options, *folders(*areas))
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    last = ""
    assert process.stdout is not None
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        if re.search(r"\d+ (passed|failed|error)", line):
            last = line
    status = process.wait()
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error|skipped|xfailed)", last)}
    failed = counts.get("failed", 0) + counts.get("error", 0)
    if status and not failed:
        failed = 1  # it broke before it could count
    skipped = counts.get("skipped", 0) + counts.get("xfailed", 0)
    return Result(stage, counts.get("passed", 0), failed, skipped, time.monotonic() - began)


def stages() -> dict[str, list[tuple[str, tuple[str, ...], tuple[str, ...], dict[str, str]]]]:
    """Give the stages of tests by name: title, areas, options of pytest, variables."""
    blocked = ("-p", "tests.without_torch")
    return {
        "web": [
            ("web half, no torch, SQLite", (*WITHOUT_DATABASE, *WEB_HALF), blocked, {}),
            ("web half, no torch, PostgreSQL", WEB_HALF, blocked, {"DESK_TEST_DATABASE": "postgres"}),
        ],
        "worker": [("worker half", WORKER_HALF, (), {})],
        "processes": [("whole desk, real processes", PROCESSES, (), {})],
    }


def print_table(results: list[Result]) -> None:
    """Print all stages under each other."""
    say(f"\n{'stage':<34} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for result in results:
        say(f"{result.stage:<34} {result.passed:>7} {result.failed:>7} {result.skipped:>8} {result.seconds:>8.1f}")
    total = sum(result.seconds for result in results)
    passed, failed = sum(r.passed for r in results), sum(r.failed + r.skipped for r in results)
    say(f"{'all':<34} {passed:>7} {failed:>7} {sum(r.skipped for r in results):>8} {total:>8.1f}\n")
    say(f"{passed} passed, {failed} failed")


def main() -> int:
    """Run what was asked for; 0 when everything passed."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=["lint", *stages()], help="run only these stages")
    asked = parser.parse_args().only or ["lint", *stages()]
    if importlib.util.find_spec("pytest") is None:
        raise SystemExit("The test packages are not installed. Run: make test")
    if forgotten := unnamed():
        raise SystemExit(f"tests/__main__.py runs no stage for: {', '.join(forgotten)}")
    if asked != ["lint"] and not install_programs():
        return 1
    if not shutil.which("nvidia-smi"):
        say("There is no NVIDIA GPU here: tests/engine/test_graphs.py leaves out recording real graphs on one.")
    results = run_checks() if "lint" in asked else []
    with tempfile.TemporaryDirectory(prefix="desk-shared-") as shared:  # what every stage would make alike
        os.environ["DESK_TESTS_SHARED"] = shared
        for name, parts in stages().items():
            if name in asked:
                results += [run_pytest(title, areas, *options, **more) for title, areas, options, more in parts]
    print_table(results)
    return int(any(result.failed or result.skipped for result in results))


if __name__ == "__main__":
    raise SystemExit(main())
