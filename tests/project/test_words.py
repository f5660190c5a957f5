"""Documents and code agree, and the project speaks of itself only."""

import re
import subprocess
from pathlib import Path

from captions.errors import FAILURES

ROOT = Path(__file__).resolve().parents[2]
TEXT = {".py", ".md", ".html", ".css", ".js", ".toml", ".yml", ".txt", ".conf", ".example", ""}


def tracked() -> list[Path]:
    """Give the project's own files, also those that are not committed yet."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_it_documents_every_error_code_with_its_words_and_status():
    documented = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "docs/errors.md").read_text(), re.MULTILINE))
    expected = {code: f"{failure.status} | {failure.words}" for code, failure in FAILURES.items()}
    assert documented == expected


def test_it_speaks_of_itself_only():
    forbidden = re.compile(
        r"/work/|/root/|/opt/|files\.pythonhosted|download\.pytorch|\bpypi\.org|index-url|\bLLM\b", re.IGNORECASE
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked()
        if path.suffix in TEXT and path != Path(__file__).resolve() and "vendor" not in path.parts
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


def test_it_has_no_drawer_for_odds_and_ends():
    names = {path.stem for path in tracked() if path.suffix == ".py"} | {part for p in tracked() for part in p.parts}
    assert not names & {"utils", "helpers", "common", "misc", "signals"}


def test_it_gives_a_reason_for_every_lint_exception():
    bare = re.compile(r"#\s*(noqa|type: ignore)(: [A-Z0-9, ]+|\[[\w\-, ]+\])?\s*$")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        if path.suffix == ".py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if bare.search(line)
    ]
    assert found == []


def test_its_readme_names_commands_that_exist():
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", readme)) <= targets
    commands = {path.stem for path in ROOT.glob("*/management/commands/*.py")}
    django = {"createsuperuser", "changepassword", "migrate", "createcachetable", "collectstatic"}
    assert set(re.findall(r"manage\.py ([a-z_]+)", readme)) <= commands | django
    variables = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", readme))
    assert variables <= set(re.findall(r"`([A-Z0-9_]+)`", (ROOT / "docs/settings.md").read_text()))
    for name in re.findall(r"\]\(([^)#:]+)\)", readme):
        assert (ROOT / name).exists(), name
