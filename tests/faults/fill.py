"""Put pictures of known colours and jobs for them into a desk: `python -m tests.faults.fill COUNT [FIRST [MODEL]]`."""

import hashlib
import io
import os
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "captionsite.settings")
django.setup()

from django.conf import settings  # noqa: E402  # after django.setup
from django.contrib.auth.models import User  # noqa: E402  # as above
from PIL import Image as Pillow  # noqa: E402  # as above

from captions import jobs, media  # noqa: E402  # as above
from captions.decoder import Decoded  # noqa: E402  # as above
from captions.decoder.contract import RENDITIONS  # noqa: E402  # as above
from captions.models import Image  # noqa: E402  # as above
from tests.faults.scripted import colour_of  # noqa: E402  # as above

SIDE = 16


def picture(owner: User, number: int, *, decoded: Decoded | None = None) -> Image:
    """Store one picture as ingest does: its files first, then its row. The decoder has tests of its own.

    Its renditions are those of `decoded`; by default every file is a WebP of the colour that tells its number.
    """
    sizes: dict[str, Any] = {"width": SIDE, "height": SIDE}
    for kind in RENDITIONS:
        found = getattr(decoded, kind, None)
        sizes |= {f"{kind}_{side}": getattr(found, side, SIDE) for side in ("width", "height")}
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    image = Image(owner=owner, number=number, sha256=digest, format="WEBP", bytes=99, **sizes)
    for kind in media.Kind:
        path = settings.MEDIA_ROOT / getattr(media, kind)(image)
        path.parent.mkdir(parents=True, exist_ok=True)
        found = getattr(decoded, kind, None)
        path.write_bytes(found.path.read_bytes() if found else coloured(number))
    image.save()
    return image


def coloured(number: int) -> bytes:
    """Give a picture that the scripted captioner reads a number from."""
    file = io.BytesIO()
    Pillow.new("RGB", (SIDE, SIDE), colour_of(number)).save(file, "WEBP", lossless=True)
    return file.getvalue()


def fill(count: int, first: int = 1, chosen: dict[str, Any] | None = None, model: str = "") -> None:
    """Add that many pictures, numbered from `first`, each with a job."""
    owner, _ = User.objects.get_or_create(username="olga", defaults={"password": "!"})
    for number in range(first, first + count):
        jobs.request(image=picture(owner, number), chosen=chosen or {}, model=model)


if __name__ == "__main__":
    count, first, model = [*sys.argv[1:], *["1", "1", ""][len(sys.argv) - 1 :]]
    fill(int(count), int(first), model=model)
