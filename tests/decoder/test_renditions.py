"""The three renditions: their sizes, what they do not carry, and how they get to the disk."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import blurhash
import pytest
from PIL import Image, ImageCms

from captions.decoder import DecodeRefused, Limits, Pool
from captions.decoder.contract import RENDITIONS
from captions.decoder.pictures import fit
from tests.decoder import corpus
from tests.decoder.conftest import Read, opened, places

STRUCTURAL = {"FileType", "ImageWidth", "ImageHeight", "VP8Version", "HorizontalScale", "VerticalScale"}
TELLING = {"GPSLatitude", "Make", "UserComment", "ProfileDescription", "Comment", "XMPToolkit", "Creator"}


@pytest.mark.parametrize(
    ("size", "edge", "expected"),
    [
        ((4000, 3000), 1600, (1600, 1200)),
        ((3000, 4000), 1600, (1200, 1600)),
        ((1600, 900), 1600, (1600, 900)),
        ((10, 10), 1600, (10, 10)),
        ((1, 65_000), 1600, (1, 1600)),
        ((65_000, 2), 480, (480, 1)),
    ],
)
def test_it_fits_pictures_into_a_square_and_never_enlarges(
    size: tuple[int, int], edge: int, expected: tuple[int, int]
) -> None:
    assert fit(size, edge) == expected


@pytest.mark.parametrize("size", [(2400, 1000), (1000, 2400), (700, 300), (16, 9), (1, 1)])
def test_it_writes_renditions_of_the_sizes_it_reports(read: Read, size: tuple[int, int]) -> None:
    found = read(corpus.saved(corpus.photograph(size), "JPEG"))
    for rendition, picture, edge in (
        (found.decoded.thumbnail, found.thumbnail, 480),
        (found.decoded.medium, found.medium, 800),
        (found.decoded.screen, found.screen, 1600),
    ):
        assert picture.size == (rendition.width, rendition.height) == fit(size, edge)
        assert rendition.bytes == rendition.path.stat().st_size


@pytest.mark.parametrize("size", [(1, 65_000), (65_000, 1)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_it_keeps_at_least_one_pixel_of_a_thread(read: Read, kind: str, size: tuple[int, int]) -> None:
    found = read(corpus.saved(corpus.photograph((1, 1)).resize(size), kind))
    assert (found.decoded.width, found.decoded.height) == size
    assert sorted(found.screen.size) == [1, 1600]
    assert sorted(found.medium.size) == [1, 800]
    assert sorted(found.thumbnail.size) == [1, 480]


def test_it_tells_the_colours_of_the_picture(read: Read) -> None:
    picture = Image.new("RGB", (300, 200), (220, 30, 30))
    picture.paste((20, 40, 200), (150, 0, 300, 200))
    told = read(corpus.saved(picture, "PNG")).decoded.blurhash
    left, right = (blurhash.decode(told, 8, 8)[4][column] for column in (0, 7))
    assert left[0] > left[2] + 80
    assert right[2] > right[0] + 80


def test_it_never_makes_the_medium_one_larger_than_the_screen_one(read: Read) -> None:
    found = read(corpus.saved(corpus.photograph((900, 300)), "PNG"), screen_edge=60)
    assert found.medium.size == found.screen.size == (60, 20)


def private_files() -> dict[str, bytes]:
    """Pictures that tell where and with what they were taken, in every way their formats have."""
    picture = corpus.photograph((64, 48))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="me"></x:xmpmeta>'
    everything: dict[str, Any] = {"exif": corpus.exif(1, private=True), "icc_profile": profile, "xmp": xmp}
    return {
        "a.jpg": corpus.saved(picture, "JPEG", comment=b"secret", **everything),
        "b.png": corpus.saved(picture, "PNG", **everything),
        "c.webp": corpus.saved(picture, "WEBP", **everything),
        "d.tif": corpus.saved(picture, "TIFF", **everything),
        "e.avif": corpus.saved(picture, "AVIF", **everything),
        "f.heic": corpus.saved(picture, "HEIF", **everything),
        "g.gif": corpus.saved(picture.convert("P"), "GIF", comment=b"secret", xmp=xmp),
        "h.jpg": corpus.saved(picture.convert("CMYK"), "JPEG", **everything),
        "i.png": corpus.saved(picture.convert("RGBA"), "PNG", **everything),
        "j.png": corpus.saved(picture.convert("P"), "PNG", **everything),
        "k.png": corpus.saved(picture.convert("L"), "PNG", **everything),
    }


def tags(exiftool: str, files: list[Path]) -> dict[str, set[str]]:
    """The names of all tags that exiftool finds inside each file, structural ones left out."""
    told = subprocess.run([exiftool, "-json", "-G0", "-a", "-u", *files], capture_output=True, check=True).stdout
    outside = ("SourceFile", "ExifTool:", "File:", "System:", "Composite:")
    return {
        Path(entry["SourceFile"]).name: {
            tag.partition(":")[2]
            for tag in entry
            if not tag.startswith(outside) and tag.partition(":")[2] not in STRUCTURAL
        }
        for entry in json.loads(told)
    }


def test_it_writes_no_metadata(exiftool: str, pool: Pool, tmp_path: Path) -> None:
    sources, renditions = [], []
    for name, data in {**private_files(), **corpus.one_of_each()}.items():
        source = tmp_path / name
        source.write_bytes(data)
        written = {kind: tmp_path / f"{name}.{kind}.webp" for kind in RENDITIONS}
        pool.decode(source, **written, limits=Limits())
        renditions += written.values()
        if name in private_files():
            sources.append(source)
    told = tags(exiftool, sources)
    assert all(found & TELLING for name, found in told.items() if name != "g.gif"), "the sources must tell something"
    assert {name: found for name, found in tags(exiftool, renditions).items() if found} == {}


def test_it_never_touches_the_original(pool: Pool, tmp_path: Path) -> None:
    for name, data in corpus.one_of_each().items():
        source = tmp_path / name
        source.write_bytes(data)
        source.chmod(0o400)
        os.utime(source, ns=(1, 1))
        pool.decode(source, **places(tmp_path), limits=Limits())
        facts = source.stat()
        assert source.read_bytes() == data
        assert (facts.st_mtime_ns, stat.S_IMODE(facts.st_mode)) == (1, 0o400)


def test_it_leaves_nothing_behind_when_a_picture_is_refused(pool: Pool, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(b"no picture")
    with pytest.raises(DecodeRefused):
        pool.decode(source, **places(tmp_path), limits=Limits())
    assert os.listdir(tmp_path) == ["in"]


def test_it_writes_all_renditions_or_none(pool: Pool, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(corpus.one_of_each()["PNG-rgb"])
    with pytest.raises(FileNotFoundError):
        pool.decode(source, **{**places(tmp_path), "screen": tmp_path / "gone" / "s.webp"}, limits=Limits())
    assert os.listdir(tmp_path) == ["in"]


def test_it_replaces_older_renditions(pool: Pool, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(corpus.one_of_each()["PNG-rgb"])
    for path in places(tmp_path).values():
        path.write_bytes(b"old")
    pool.decode(source, **places(tmp_path), limits=Limits())
    assert {opened(path).size for path in places(tmp_path).values()} == {(60, 44)}
    assert sorted(os.listdir(tmp_path)) == ["in", "medium.webp", "screen.webp", "thumbnail.webp"]
