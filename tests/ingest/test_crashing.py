"""Killed anywhere in an upload: no row without files, no file for ever without a row, no job that never starts."""

import io
import os
import subprocess
import sys
import time

import pytest
from django.db import connection

from captions import ingest, jobs, media
from captions.models import CaptionJob, Image
from tests import factories
from tests.harness import ROOT
from tests.ingest import crash
from tests.ingest.conftest import files_in

pytestmark = pytest.mark.usefixtures("store", "transactional_db")


def database_url() -> str:
    """Name the test's own database to another process."""
    facts = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{facts['NAME']}"
    return f"postgres://{facts['USER']}@{facts['HOST']}:{facts['PORT']}/{facts['NAME']}"


def run(point, store, redis_url):
    path = store / "harbour.jpg"
    path.write_bytes(factories.picture(width=300, height=200))
    environment = {
        **os.environ,
        "DATA_DIR": str(store),
        "MEDIA_DIR": str(store / "media"),
        "DATABASE_URL": database_url(),
        "REDIS_URL": redis_url,
        "DJANGO_SETTINGS_MODULE": "captionsite.settings",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.ingest.crash", point, "olga", str(path)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == crash.DIED, f"{point}: {done.stdout}{done.stderr}"
    return path.read_bytes()


def make_old(store) -> None:
    """Let a day go by for all files."""
    for folder, folders, files in os.walk(store):
        for name in (*folders, *files):
            os.utime(os.path.join(folder, name), (time.time() - 90_000,) * 2)


@pytest.mark.parametrize("point", crash.POINTS)
def test_it_loses_nothing_and_leaves_nothing_when_it_dies(store, broker, point):
    owner = factories.make_person("olga")
    data = run(point, store, broker.url)
    rows = list(Image.objects.all())
    assert all(media.is_complete(image) for image in rows), "a row without its files"
    committed = point == "between commit and ring"
    assert (len(rows), CaptionJob.objects.count()) == ((1, 1) if committed else (0, 0))

    assert ingest.sweep_orphans() == 0, "an upload that may be under way was disturbed"
    make_old(store)
    ingest.sweep_orphans()
    assert files_in(store / "incoming") == []
    assert len(files_in(store / "media")) == (4 if committed else 0)

    if committed:  # nobody rang; the sweep does, and a worker gets the job
        assert broker_queue(broker) == 0
        assert jobs.sweep().rung
        assert broker_queue(broker) == 1
        [job] = jobs.claim(limit=1, worker="w", models={"demo"}, lease_seconds=60)
        assert job.image == rows[0]
    again = ingest.receive(owner=owner, file=io.BytesIO(data), filename="harbour.jpg", chosen={})
    assert again.created is not committed
    assert media.is_complete(again.image)
    assert (Image.objects.count(), CaptionJob.objects.count()) == (1, 1)


def broker_queue(broker) -> int:
    import redis

    with redis.Redis.from_url(broker.url) as client:
        return int(client.llen("captions"))


def test_it_sweeps_only_what_is_old_and_ours(store):
    owner = factories.make_person("olga")
    kept = factories.receive(owner)
    lost = factories.receive(owner)
    in_trash = factories.receive(owner)
    factories.make_trash(in_trash)
    (store / "incoming" / "upload-left").mkdir()
    (store / "incoming" / "upload-left" / "upload").write_bytes(b"x")
    (store / "incoming" / "tmpabc.upload").write_bytes(b"x")
    shard = (store / "media" / media.original(kept)).parent
    (shard / "README.txt").write_bytes(b"an operator's own note")
    (shard / f"{kept.id}.jpg.part").write_bytes(b"half a copy of a picture that is there")
    names = media.names(lost)
    Image.objects.filter(pk=lost.pk).delete()
    assert ingest.sweep_orphans() == 0
    make_old(store)
    assert ingest.sweep_orphans(older_than_hours=48) == 0
    fresh = factories.receive(owner)
    assert ingest.sweep_orphans() == 4 + 2 + 1
    assert not any((store / "media" / name).exists() for name in names)
    assert all(media.is_complete(image) for image in (kept, in_trash, fresh))
    assert (shard / "README.txt").exists()
    assert files_in(store / "incoming") == []
    assert ingest.sweep_orphans() == 0


def test_it_sweeps_folders_that_are_not_there_yet(store, settings):
    settings.FILE_UPLOAD_TEMP_DIR = str(store / "nowhere")
    assert ingest.sweep_orphans() == 0
