"""Uploads by many clients that lose their connection and send again: nothing lost, nothing doubled, how quick.

    python -m benchmarks.uploads [--pictures 10000] [--clients 200] [--people 10] [--lost 0.1]
                                 [--database sqlite|postgres] [--processes 1]

Starts a desk of its own, its web server alone. CLIENTS clients share PICTURES small pictures; each sends one at a time
with an Idempotency-Key, hangs up on a share LOST of its requests at a random moment, and sends the same again with the
same key until it is answered. Then the desk is asked what it has: exactly the pictures that were sent, each once.

The same pictures are sent before that, by as many clients, to a server of the same kind (uvicorn, Django) whose only
view saves the file as Django does by itself: no account, no database, nothing looked at.

Prints one JSON object with pictures per second, the median and 95th percentile of answers (requests that were not hung
up on), and the ratio of both servers; exit status 1 when a picture is lost or doubled.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import hashlib
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2

ROOT: Final = Path(__file__).resolve().parent.parent
TRIES: Final = 200
#: The longest that a client waits before it hangs up, in seconds.
PATIENCE: Final = 0.5
_ENDLESS: Final = "10000000"
_UNLIMITED: Final = {
    "THROTTLE_PERSON": f"{_ENDLESS}/min",
    "THROTTLE_ADDRESS": f"{_ENDLESS}/min",
    "QUEUE_LIMIT_PER_OWNER": _ENDLESS,
}


@dataclass
class Tally:
    """What became of one run."""

    seconds: float = 0.0
    answers: list[float] = field(default_factory=list)  # seconds, of requests that were not hung up on
    statuses: collections.Counter[int] = field(default_factory=collections.Counter)
    hung_up: int = 0
    replayed: int = 0

    def figures(self, pictures: int) -> dict[str, Any]:
        """Give the figures of the run."""
        return {
            "pictures_per_second": round(pictures / self.seconds, 1),
            "seconds": round(self.seconds, 1),
            "median_ms": round(statistics.median(self.answers) * 1000, 1),
            "p95_ms": round(statistics.quantiles(self.answers, n=20)[-1] * 1000, 1),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "hung_up": self.hung_up,
            "replayed": self.replayed,
        }


def pictures(number: int) -> list[bytes]:
    """Make small JPEG files, no two alike: the same scene with another comment in its head."""
    from PIL import Image

    file = io.BytesIO()
    Image.effect_mandelbrot((160, 120), (-2.0, -1.2, 1.2, 1.2), 40).convert("RGB").save(file, "JPEG", quality=80)
    whole = file.getvalue()
    made = []
    for index in range(number):
        words = f"picture {index}".encode()
        comment = b"\xff\xfe" + (len(words) + 2).to_bytes(2, "big") + words
        made.append(whole[:2] + comment + whole[2:])
    return made


async def send_all(url: str, files: list[bytes], tokens: list[str], options: argparse.Namespace, lost: float) -> Tally:
    """Let the clients share the pictures. Raises RuntimeError when one is never taken."""
    tally, waiting = Tally(), iter(enumerate(files))
    chance = random.Random(7)  # when to hang up; nothing secret

    async def client(number: int) -> None:
        headers = {"Authorization": f"Bearer {tokens[number % len(tokens)]}"} if tokens else {}
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=120, trust_env=False) as http:
            for index, data in waiting:
                await send(http, index, data)

    async def send(http: httpx2.AsyncClient, index: int, data: bytes) -> None:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        for _ in range(TRIES):
            hangs_up = chance.random() < lost
            began = time.monotonic()
            request = http.post("/api/v1/images/", files={"file": (f"{index}.jpg", data, "image/jpeg")}, headers=key)
            try:
                answer = await asyncio.wait_for(request, chance.uniform(0.001, PATIENCE) if hangs_up else None)
            except (TimeoutError, httpx2.TransportError):
                tally.hung_up += 1
                continue
            tally.statuses[answer.status_code] += 1
            if not hangs_up:
                tally.answers.append(time.monotonic() - began)
            tally.replayed += answer.headers.get("Idempotency-Replayed") == "true"
            if answer.is_success:
                return
            await asyncio.sleep(0.2)
        raise RuntimeError(f"picture {index} was never taken: {answer.status_code} {answer.text[:200]}")

    began = time.monotonic()
    await asyncio.gather(*(client(number) for number in range(options.clients)))
    tally.seconds = time.monotonic() - began
    return tally


def held(url: str, tokens: list[str]) -> collections.Counter[str]:
    """Ask the desk for the sha256 of every picture that it has."""
    found: collections.Counter[str] = collections.Counter()
    for token in tokens:
        headers = {"Authorization": f"Bearer {token}"}
        address: str | None = f"{url}/api/v1/images/?limit=200&fields=sha256"
        while address:
            page = httpx2.get(address, headers=headers, timeout=120, trust_env=False).json()
            found.update(row["sha256"] for row in page["results"])
            address = page["next"]
    return found


def plainly(files: list[bytes], options: argparse.Namespace, folder: Path) -> Tally:
    """Send the pictures to the server that only saves them."""
    from tests.services import free_port

    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.plain_upload:application", "--port", str(port)]
    environment = {
        **os.environ,
        "PLAIN_UPLOADS": str(folder),
        "DJANGO_SETTINGS_MODULE": "",
        "WEB_CONCURRENCY": str(options.processes),
    }
    quiet = ["--no-access-log", "--log-level", "warning", "--lifespan", "off"]
    server = subprocess.Popen([*command, *quiet], cwd=ROOT, env=environment)
    try:
        _until_up(f"http://127.0.0.1:{port}/")
        return asyncio.run(send_all(f"http://127.0.0.1:{port}", files, [], options, 0.0))
    finally:
        server.terminate()
        server.wait(timeout=20)


def _until_up(url: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            httpx2.get(url, timeout=5, trust_env=False)
        except httpx2.TransportError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("the server that saves files did not come up")


def main() -> int:
    """Measure both, count, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.uploads", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--people", type=int, default=10, help="accounts among which the clients are divided")
    parser.add_argument("--lost", type=float, default=0.1, help="share of requests that are hung up on")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--processes", type=int, default=1, help="of either web server (WEB_CONCURRENCY)")
    options = parser.parse_args()
    from benchmarks.hardware import hardware
    from tests.harness import desk

    files = pictures(options.pictures)
    environment = {**_UNLIMITED, "WEB_CONCURRENCY": str(options.processes)}
    with tempfile.TemporaryDirectory() as folder:
        plain = plainly(files, options, Path(folder) / "plain")
        saved = sum(1 for _ in (Path(folder) / "plain").iterdir())
        with desk(Path(folder) / "desk", database=options.database, environment=environment) as made:
            made.start_web()
            tokens = [made.person(f"person{number}") for number in range(options.people)]
            ours = asyncio.run(send_all(made.url, files, tokens, options, options.lost))
            found = held(made.url, tokens)
    sent = {hashlib.sha256(data).hexdigest() for data in files}
    figures = {"desk": ours.figures(len(files)), "plain": plain.figures(len(files))}
    result = {
        "benchmark": "uploads",
        "hardware": hardware(),
        "pictures": options.pictures,
        "clients": options.clients,
        "people": options.people,
        "lost": options.lost,
        "processes": options.processes,
        "database": options.database,
        **figures,
        "plain_saved": saved,
        "held": sum(found.values()),
        "missing": len(sent - set(found)),
        "doubled": sum(count - 1 for count in found.values()),
        "rate_to_plain": round(figures["desk"]["pictures_per_second"] / figures["plain"]["pictures_per_second"], 3),
        "p95_to_plain": round(figures["desk"]["p95_ms"] / figures["plain"]["p95_ms"], 2),
    }
    print(json.dumps(result, indent=1))
    return int(result["missing"] > 0 or result["doubled"] > 0 or result["held"] != options.pictures)


if __name__ == "__main__":
    raise SystemExit(main())
