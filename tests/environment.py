"""Loaded by pytest before Django's settings: gives every run its own data folder and, where asked, a PostgreSQL.

DESK_TEST_DATABASE=postgres starts a private cluster (or uses TEST_DATABASE_URL); without it tests run on SQLite.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# Playwright's synchronous API runs an event loop in the test's thread, in which Django would refuse database work.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")


def _prepare() -> None:
    folder = Path(tempfile.mkdtemp(prefix="desk-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # first in, last out: servers stop before
    os.environ["DATA_DIR"] = str(folder / "data")
    if "DESK_TESTS_SHARED" not in os.environ:  # else `python -m tests` gave one for all its stages
        (folder / "shared").mkdir()
        os.environ["DESK_TESTS_SHARED"] = str(folder / "shared")
    (folder / "data" / "static").mkdir(parents=True)
    for name in ("DATABASE_URL", "SECRET_KEY", "PUBLIC_URL", "ALLOWED_HOSTS", "REDIS_URL", "CAPTION_MODEL"):
        os.environ.pop(name, None)
    # Nothing listens there: a test that needs a broker starts one and says so.
    os.environ["REDIS_URL"] = "redis://127.0.0.1:1/0"
    os.environ["SECRET_KEY"] = "tests-only-" + "k3y" * 20
    if os.environ.get("DESK_TEST_DATABASE") == "postgres":
        from tests.services import postgres

        os.environ["DATABASE_URL"] = postgres(folder / "postgres")


# pytest-xdist's workers inherit what the controller prepared.
if "PYTEST_XDIST_WORKER" not in os.environ and "DESK_TESTS_PREPARED" not in os.environ:
    _prepare()
    os.environ["DESK_TESTS_PREPARED"] = "1"
