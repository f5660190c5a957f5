"""The benchmark of waits runs; its full size is for people who want the figures."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.harness import ROOT


def test_it_measures_waits_beside_an_import():
    command = [sys.executable, "-m", "benchmarks.fairness", "--jobs", "120", "--seconds", "6"]
    sizes = ["--singles", "6", "--small", "12", "--rush", "8"]
    done = subprocess.run([*command, *sizes], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["single"]["pictures"] + found["single_in_rush"]["pictures"] == 6
    assert (found["small_import"]["pictures"], found["rush"]["pictures"]) == (12, 8)
    assert 0 < found["single"]["largest_seconds"] < 12
    assert found["imported"] > 0
