"""The environment decides, and a value that cannot be read stops the start by name."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (ROOT / "captionsite/settings.py").read_text()
# The first argument of every environment reader in the settings file.
READ = set(re.findall(r'_(?:text|flag|whole|number|choice|words|batch|endpoint)\(\s*"([A-Z0-9_]+)"', SETTINGS))
DOCUMENTED = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))


def read_settings(tmp_path: Path, expression: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    program = f"from captionsite import settings as s; print({expression or '1'})"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, text=True, capture_output=True,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), **environment},
    )  # fmt: skip


def test_it_documents_every_variable_and_no_other():
    assert READ == DOCUMENTED


def test_it_starts_with_an_empty_environment(tmp_path):
    copy = tmp_path / "captionsite"
    copy.mkdir()
    (copy / "settings.py").write_text(SETTINGS)
    done = subprocess.run(
        [sys.executable, "-c", "from captionsite import settings as s; print(s.DATA_DIR, s.IS_SQLITE, s.DEBUG)"],
        cwd=tmp_path, env={}, text=True, capture_output=True,
    )  # fmt: skip
    assert done.stdout.split() == [str(tmp_path / "data"), "True", "False"], done.stderr


def test_it_makes_one_secret_key_for_its_owner_only_and_keeps_it(tmp_path):
    first, second = (read_settings(tmp_path, "s.SECRET_KEY").stdout.strip() for _ in range(2))
    assert len(first) >= 50
    assert first == second
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"), ("PORT", "70000"), ("ALLOW_SIGNUP", "perhaps"), ("CAPTION_PRECISION", "fp12"),
        ("LEASE_SECONDS", "nan"), ("LEASE_SECONDS", "-1"), ("DATABASE_URL", "mysql://x/y"), ("REDIS_URL", "amqp://x"),
        ("SECRET_KEY", "short"), ("PUBLIC_URL", "captions.example.org"), ("LOG_LEVEL", "loud"), ("MAX_FRAMES", "1e3"),
        ("DATA_DIR", "/proc/nowhere"), ("REQUIRE_SECOND_FACTOR", "yes"), ("OIDC_ISSUER", "http://login.example.org"),
        ("OIDC_ISSUER", "login.example.org"), ("WEB_CONCURRENCY", "0"), ("S3_ENDPOINT_URL", "storage.example.org"),
        ("S3_PUBLIC_ENDPOINT_URL", "https://storage.example.org/bucket"), ("S3_SECRET_ACCESS_KEY", "alone"),
    ],
)  # fmt: skip
def test_it_refuses_to_start_and_names_the_variable(tmp_path, name, value):
    done = read_settings(tmp_path, **{name: value})
    assert done.returncode == 1
    assert f"ImproperlyConfigured: {name}" in done.stderr


def test_it_needs_a_told_secret_key_with_a_database_server(tmp_path):
    done = read_settings(tmp_path, DATABASE_URL="postgres://a:b@c:5432/d")
    assert "ImproperlyConfigured: SECRET_KEY must be set" in done.stderr


def test_it_spells_a_unix_socket_for_celery(tmp_path):
    done = read_settings(tmp_path, "s.CELERY_BROKER_URL", REDIS_URL="unix:///tmp/a b/x.sock?db=2")
    assert done.stdout.strip() == "redis+socket:///tmp/a b/x.sock?virtual_host=2"


def test_it_takes_a_batch_of_a_number_or_found_by_measuring(tmp_path):
    assert read_settings(tmp_path, "s.CAPTION_BATCH").stdout.strip() == "0"
    assert read_settings(tmp_path, "s.CAPTION_BATCH", CAPTION_BATCH="16").stdout.strip() == "16"
    refused = read_settings(tmp_path, CAPTION_BATCH="many")
    assert "CAPTION_BATCH must be auto, or a whole number from 1 to 256" in refused.stderr


def test_it_reads_which_private_addresses_may_be_asked(tmp_path):
    expression = "[str(network) for network in s.OUTBOUND_ALLOW], sorted(s.OUTBOUND_PORTS)"
    assert read_settings(tmp_path, expression).stdout.strip() == "[] [80, 443]"
    chosen = read_settings(tmp_path, expression, OUTBOUND_ALLOW="10.20.0.0/16, fd00::/8", OUTBOUND_PORTS="8443")
    assert chosen.stdout.strip() == "['10.20.0.0/16', 'fd00::/8'] [8443]"
    assert "OUTBOUND_ALLOW must be networks" in read_settings(tmp_path, OUTBOUND_ALLOW="10.20.0.1/16").stderr
    assert "OUTBOUND_PORTS must be port numbers" in read_settings(tmp_path, OUTBOUND_PORTS="web").stderr
