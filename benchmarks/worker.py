"""What a whole worker makes of its engine: files to database rows, against the engine alone on prepared pictures.

    python -m benchmarks.worker CHECKPOINT [--precision auto] [--pictures 48] [--batch 8] [--rounds 3] [--device auto]

A desk on SQLite in a folder of its own; pictures of 1600 pixels in the renditions that the decoder writes; the drain of
the product claims them, opens them, runs the model and hands captions in. Rounds of both are taken in turns. Prints one
JSON object: seconds a picture of both, and the share of the engine's pace that the worker keeps.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

WIDE, HIGH = 1600, 1200
LEASE: Final = 600.0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--store", type=Path)
    for name, value in (("pictures", 48), ("batch", 8), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "captionsite.settings", "LOG_LEVEL": "ERROR"}
        for name in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(name, None)
        os.environ["SECRET_KEY"] = secrets.token_hex(32)
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        print(json.dumps(measured(options)))
    return 0


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Take rounds of both in turns."""
    from captions.params import complete, defaults_from
    from worker.drain import Drain
    from worker.engine import load
    from worker.heartbeat import Held, Tally

    captioner: Any = load(
        str(options.checkpoint),
        device=options.device,
        precision=options.precision,
        store=options.store,
        batch=options.batch,
    )
    params = complete({}, defaults=defaults_from(captioner.defaults))
    captioner.min_length = params.max_length
    ready = [captioner.prepare(drawn(number)) for number in range(options.batch)]
    ready *= -(-options.pictures // options.batch)
    decoded = [rendered(number) for number in range(options.batch)]
    captioner.caption(ready[: options.batch], params)
    drain = Drain(
        captioner,
        lease_name="bench/1",
        models={captioner.name},
        takes_any=True,
        held=Held(),
        tally=Tally(),
        batch=options.batch,
        lease_seconds=LEASE,
        poll_seconds=60,
    )
    times: dict[str, list[float]] = {"worker": [], "engine": []}
    for number in range(options.rounds):
        fill(decoded, options.pictures, first=number * options.pictures)
        began = time.perf_counter()
        done = drain.drain()
        times["worker"].append((time.perf_counter() - began) / options.pictures)
        assert done == options.pictures
        began = time.perf_counter()
        captioner.caption(ready[: options.pictures], params)
        times["engine"].append((time.perf_counter() - began) / options.pictures)
    drain.ask_to_stop()
    drain.close()
    check(options.pictures * options.rounds)
    seconds = {name: statistics.median(values) for name, values in times.items()}
    return {
        "device": captioner.device,
        "precision": captioner.precision,
        "batch": options.batch,
        "pictures": options.pictures,
        "worker_seconds": seconds["worker"],
        "engine_seconds": seconds["engine"],
        "share": seconds["engine"] / seconds["worker"],
        "runs": times,
    }


def check(pictures: int) -> None:
    """See that the worker did the work that was timed."""
    from captions.models import Caption, CaptionJob

    assert Caption.objects.count() == CaptionJob.objects.filter(state="done").count() == pictures


def drawn(number: int) -> Any:
    """Draw a picture with soft shapes and some grain, as photographs have them."""
    import numpy as np
    from PIL import Image

    chance = np.random.default_rng(number)
    soft = Image.fromarray(chance.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((WIDE, HIGH), 3)
    grain = chance.normal(0, 6, (HIGH, WIDE, 1))
    return Image.fromarray((np.asarray(soft) + grain).clip(0, 255).astype(np.uint8))


def rendered(number: int) -> Any:
    """Have the decoder write its renditions, into a folder of its own."""
    from django.conf import settings

    from captions import decoder
    from captions.decoder.contract import RENDITIONS

    folder = Path(settings.DATA_DIR) / "drawn" / str(number)
    folder.mkdir(parents=True)
    drawn(number).save(folder / "drawn.png", compress_level=1)
    places = {name: folder / f"{name}.webp" for name in RENDITIONS}
    return decoder.decode(folder / "drawn.png", **places, limits=decoder.Limits())


def fill(decoded: list[Any], count: int, *, first: int) -> None:
    """Put pictures with waiting jobs into the desk."""
    from django.contrib.auth.models import User

    from captions import jobs
    from tests.faults.fill import picture

    owner, _ = User.objects.get_or_create(username="bench", defaults={"password": "!"})
    for number in range(first, first + count):
        image = picture(owner, number, decoded=decoded[number % len(decoded)])
        jobs.request(image=image, chosen={})


if __name__ == "__main__":
    sys.exit(main())
