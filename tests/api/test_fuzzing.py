"""Thousands of strange requests, made from the API's own document, to a real server."""

from __future__ import annotations

import os
import sys

from tests.api.live import client, running, secret, stand_in, upload

__all__ = ["client", "running", "secret", "stand_in"]

# Waiting is tested in test_live; here it would only make strange requests slow.
CONFIG = """
hooks = "tests.api.fuzz_hooks"

[parameters]
"query.wait" = 0

# Schemathesis writes an empty array into a form as nothing at all, and then wonders that the form is taken.
[[operations]]
include-operation-id = ["upload_image", "request_captions"]
checks.negative_data_rejection.enabled = false

# A change is guarded by If-Match before its body is looked at: 412 is a refusal too.
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "412", "415", "422", "428", "429", "5xx"]
"""


def test_it_keeps_its_promises_to_thousands_of_strange_requests(running, client, secret, stand_in, tmp_path):
    """Schemathesis makes requests from the document and holds the answers to it."""
    upload(client, "?wait=30")
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    report = running.spawn(
        "schemathesis", sys.executable, "-m", "schemathesis.cli", "--config-file", str(tmp_path / "schemathesis.toml"),
        "run", f"{running.url}/api/schema/", "--header", f"Authorization: Bearer {secret}", "--seed", "7",
        "--max-examples", "15", "--max-time", os.environ.get("FUZZ_SECONDS", "30"), "--request-timeout", "30",
        # It cannot send pieces of files, nor knows that tus answers another version with 412: tests/uploads do.
        "--exclude-path-regex", r"^/api/v1/uploads/(\{upload_id\}/)?$",
        "--no-color", "--exclude-checks", "positive_data_acceptance",
        # Whether its own generator draws too much or too slowly depends on the machine, not on the API.
        "--suppress-health-check", "data_too_large,too_slow,large_base_example,filter_too_much",
    )  # fmt: skip
    status = report.process.wait()  # pytest's own time limit holds
    running.children.remove(report)
    assert status == 0, report.log.read_text()[-8000:]
    print(report.log.read_text()[-2500:])  # how many requests of which phases; pytest -s shows it
