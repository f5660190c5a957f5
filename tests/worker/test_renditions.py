"""Captioners are given the smallest rendition that shows them all they can see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from PIL import Image

from benchmarks.worker import drawn
from captions import decoder, media
from captions.decoder.contract import RENDITIONS
from tests.faults.fill import picture
from worker.engine.pictures import preprocessing
from worker.renditions import Size, open_for, shows_enough

STEP = 1 / 255  # of a byte, where black is 0 and white is 1
PIXELS = preprocessing({"image_processor_type": "ViTImageProcessor", "do_normalize": False})


@pytest.mark.parametrize(
    ("medium", "screen", "side", "enough"),
    [
        pytest.param((800, 600), (1600, 1200), 224, True, id="photograph"),
        pytest.param((600, 800), (1200, 1600), 224, True, id="upright photograph"),
        pytest.param((800, 336), (1600, 672), 224, True, id="wide picture, just enough"),
        pytest.param((800, 335), (1600, 670), 224, False, id="wide picture, just too little"),
        pytest.param((800, 160), (1600, 320), 224, False, id="panorama"),
        pytest.param((300, 200), (300, 200), 224, True, id="small picture"),
        pytest.param((0, 0), (1600, 1200), 224, False, id="old picture without a medium one"),
        pytest.param((0, 0), (300, 200), 224, False, id="old small picture"),
        pytest.param((800, 600), (1600, 1200), None, False, id="captioner that sees more of more"),
        pytest.param((800, 600), (800, 600), None, True, id="nothing larger to see"),
        pytest.param((800, 600), (1600, 1200), 384, True, id="larger side"),
        pytest.param((800, 533), (1600, 1066), 384, False, id="larger side, usual photograph"),
        pytest.param((800, 800), (1600, 1600), 768, False, id="side almost as large"),
    ],
)
def test_it_takes_the_medium_one_where_that_shows_enough(
    medium: Size, screen: Size, side: int | None, enough: bool
) -> None:
    assert shows_enough(medium, screen=screen, side=side) == enough


@pytest.fixture
def renditions(tmp_path: Path):
    """Have the decoder write a picture's renditions."""

    def write(original: Image.Image) -> decoder.Decoded:
        original.save(tmp_path / "original.png", compress_level=1)
        places = {name: tmp_path / f"{name}.webp" for name in RENDITIONS}
        return decoder.decode(tmp_path / "original.png", **places, limits=decoder.Limits())

    return write


@pytest.mark.parametrize(("number", "height"), [(1, 1200), (2, 1200), (3, 1200), (4, 672)])
def test_it_shows_a_captioner_what_the_original_does(renditions, number: int, height: int) -> None:
    original = drawn(number).crop((0, 0, 1600, height))
    found = renditions(original)
    medium, screen = ((one.width, one.height) for one in (found.medium, found.screen))
    assert shows_enough(medium, screen=screen, side=224)
    with Image.open(found.medium.path, formats=("WEBP",)) as opened:
        seen = PIXELS.picture(opened.convert("RGB"))
    assert np.abs(seen - PIXELS.picture(original)).mean() < STEP


def test_it_opens_the_screen_one_where_the_medium_one_is_missing_or_too_small(owner: User, renditions) -> None:
    image = picture(owner, 1, decoded=renditions(drawn(1)))
    medium, screen = ((settings.MEDIA_ROOT / name(image)).read_bytes() for name in (media.medium, media.screen))

    def opened(side: int | None) -> bytes:
        with open_for(image, side=side) as file:
            return file.read()

    assert opened(224) == medium
    assert opened(None) == opened(768) == screen
    (settings.MEDIA_ROOT / media.medium(image)).unlink()
    assert opened(224) == screen
    image.medium_width = image.medium_height = 0
    assert opened(224) == screen
    (settings.MEDIA_ROOT / media.screen(image)).unlink()
    with pytest.raises(FileNotFoundError):
        opened(224)
