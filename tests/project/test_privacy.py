"""What the desk keeps from other users of the machine, and what it owes whoever looks at its terminal."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys

import pytest
import yaml

from captionsite import supervisor
from tests.project.test_settings import ROOT


def test_it_makes_a_data_folder_that_only_its_owner_opens(tmp_path):
    folder = tmp_path / "not" / "there"
    old = os.umask(0o022)
    try:
        environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder)}
        subprocess.run([sys.executable, "-c", "import captionsite.settings"], env=environment, cwd=ROOT, check=True)
    finally:
        os.umask(old)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_it_leaves_the_modes_of_a_data_folder_that_is_there(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", "import captionsite.settings"], env=environment, cwd=ROOT, check=True)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_it_reads_its_children_on_when_the_terminal_is_gone(monkeypatch):
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Gone())
    lines = io.StringIO("one\ntwo\nthree\n")
    supervisor.Child("web", [], {})._relay(lines)
    assert not lines.read()


def test_it_shows_the_first_password_on_a_terminal_without_unicode(monkeypatch):
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
    monkeypatch.setattr(supervisor, "run", lambda: supervisor.say("The first account is “owner”, its password x") or 0)
    with pytest.raises(SystemExit):
        supervisor.main()
    assert b"its password x" in shown.getvalue()


def test_it_believes_no_forwarded_address_by_itself():
    assert "--no-proxy-headers" in (ROOT / "Dockerfile").read_text()
    assert "--no-proxy-headers" in (ROOT / "captionsite/supervisor.py").read_text()


def test_its_proxy_passes_no_host_on_that_a_client_claims():
    proxy = (ROOT / "captionsite/nginx.conf").read_text()
    assert proxy.count('proxy_set_header X-Forwarded-Host "";') == proxy.count("proxy_pass ") == 2


def test_it_lets_mail_out_of_the_web_container():
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert "outside" in services["web"]["networks"]
    assert services["database"]["networks"] == services["broker"]["networks"] == ["inside"]
