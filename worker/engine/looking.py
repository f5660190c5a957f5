"""Pictures as the models of `families` want them, by transformers' own image processors in their Pillow form.

The processors are built from a few plain values of a folder's files, each within limits, and never by the class a file
names. torchvision is not needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from worker.engine.blueprint import read_json
from worker.engine.contract import Prepared
from worker.engine.errors import ModelUnsupported
from worker.engine.families import Family

LARGEST_SIDE: Final = 4096
MOST_PATCHES: Final = 5120  # of a picture whose size is free: 1,280 tokens of a Qwen-VL, seconds on a GPU
MOST_PIXELS: Final = MOST_PATCHES * 14 * 14
STEEPEST: Final = 50  # one side in multiples of the other
SWITCHES: Final = ("do_resize", "do_rescale", "do_normalize", "do_center_crop", "do_image_splitting")
FREE_SIZE: Final = "Qwen2VLImageProcessor"
STATISTICS: Final = ("image_mean", "image_std")
SUFFIXES: Final = ("", "Fast", "Pil")


class Eye:
    """Prepares pictures, one at a time and in any thread."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor

    def prepare(self, image: Image.Image) -> Prepared:
        """Shrink and normalise one RGB picture. Raises ValueError for a picture in another mode."""
        if image.mode != "RGB":
            raise ValueError(f"The engine reads RGB pictures; this one is {image.mode}. Convert it first.")
        found = self._processor(images=[bounded(image)], return_tensors="np", **self._asked())
        return Prepared({name: np.ascontiguousarray(_one(name, found[name])) for name in found if name in _KEPT})

    @property
    def side(self) -> int | None:
        """See Captioner.side. None for tiles and for pictures of free size, which bound the longer side or the area."""
        if not self._processor.do_resize or getattr(self._processor, "do_image_splitting", False):
            return None
        size = self._processor.size
        if size.longest_edge:
            return None
        return max(size[name] or 0 for name in ("height", "width", "shortest_edge")) or None

    def _asked(self) -> dict[str, Any]:
        return {"return_row_col_info": True} if hasattr(self._processor, "do_image_splitting") else {}


_KEPT: Final = frozenset({"pixel_values", "image_grid_thw", "rows", "cols"})


def _one(name: str, value: Any) -> Any:
    """Take the only picture out of its batch; the patches of a picture of free size never had one."""
    array = np.asarray(value)
    return array if name == "pixel_values" and array.ndim == 2 else array[0]  # patches, values


def bounded(image: Image.Image) -> Image.Image:
    """Cut the middle out of a picture that is over 50 times as long as wide.

    Resizing its short side to a model's size would make the long one a million pixels.
    """
    width, height = image.size
    if max(width, height) <= STEEPEST * min(width, height):
        return image
    long = STEEPEST * min(width, height)
    left, top = max(0, width - long) // 2, max(0, height - long) // 2
    return image.crop((left, top, left + min(width, long), top + min(height, long)))


def settings(folder: Path) -> Mapping[str, Any]:
    """Read `preprocessor_config.json`, or the image processor in `processor_config.json`, where newer folders have it.

    Raises ModelUnsupported when there is neither, ModelNotVerified for unsafe files.
    """
    path = folder / "processor_config.json"
    if not (folder / "preprocessor_config.json").is_file() and path.is_file():
        nested = read_json(path).get("image_processor")
        if isinstance(nested, dict):
            return nested
    return read_json(folder / "preprocessor_config.json")


def plain(published: Mapping[str, Any], family: Family) -> dict[str, Any]:
    """Keep what is known by name and within limits. Raises ModelUnsupported for the rest, and for another kind."""
    kind = published.get("image_processor_type") or published.get("feature_extractor_type") or family.eye
    names = {f"{family.eye}{suffix}" for suffix in SUFFIXES} | {
        family.eye.replace("ImageProcessor", "FeatureExtractor")
    }
    if not isinstance(kind, str) or kind not in names:
        raise ModelUnsupported(f"The model prepares its pictures with {str(kind)[:60]!r}; expected was {family.eye}.")
    kept: dict[str, Any] = {name: published[name] for name in SWITCHES if isinstance(published.get(name), bool)}
    if (resample := published.get("resample")) is not None:
        kept["resample"] = _resample(resample)
    if (factor := published.get("rescale_factor")) is not None:
        kept["rescale_factor"] = _number("rescale_factor", factor, least=0.0)
    for name in STATISTICS:
        if (values := published.get(name)) is not None:
            kept[name] = _three(name, values)
    return kept | (_free_size(published) if family.eye == FREE_SIZE else _sizes(published))


def eye(kept: Mapping[str, Any], family: Family, patches: Mapping[str, int]) -> Eye:
    """Build what prepares pictures from what `plain` kept.

    `patches` are the model's own numbers, where the pictures' size is free.
    """
    import transformers

    if patches:
        most = MOST_PATCHES * patches["patch_size"] ** 2
        kept = {**kept, "size": {name: min(pixels, most) for name, pixels in kept["size"].items()}}
    return Eye(getattr(transformers, f"{family.eye}Pil")(**kept, **patches))


def _sizes(published: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _sides(name, published[name])
        for name in ("size", "crop_size", "max_image_size")
        if published.get(name) is not None
    }


def _sides(name: str, value: Any) -> Any:
    sides = value if isinstance(value, Mapping) else {"side": value}
    known = {"height", "width", "shortest_edge", "longest_edge", "side"}
    if not sides.keys() <= known or not all(type(n) is int and 0 < n <= LARGEST_SIDE for n in sides.values()):
        raise ModelUnsupported(
            f"The model's {name} {str(value)[:60]} is not made of sides up to {LARGEST_SIDE} pixels."
        )
    return dict(value) if isinstance(value, Mapping) else value


def _free_size(published: Mapping[str, Any]) -> dict[str, Any]:
    """Read the fewest and most pixels of a picture of free size; more than a worker can bear is lowered."""
    size = published.get("size")
    given = dict(size) if isinstance(size, Mapping) else {}
    least = given.get("shortest_edge", published.get("min_pixels", 56 * 56))
    most = given.get("longest_edge", published.get("max_pixels", MOST_PIXELS))
    if not (type(least) is int and type(most) is int and 0 < least <= most):
        raise ModelUnsupported("The model's fewest and most pixels are not two whole numbers in order.")
    return {"size": {"shortest_edge": min(least, MOST_PIXELS), "longest_edge": min(most, MOST_PIXELS)}}


def _resample(value: Any) -> Image.Resampling:
    try:
        return Image.Resampling(value)
    except ValueError as error:
        raise ModelUnsupported("The model names a way of resizing that Pillow does not know.") from error


def _three(name: str, values: Any) -> list[float]:
    if not isinstance(values, list) or len(values) != 3:  # red, green, blue
        raise ModelUnsupported(f"The model's {name} is not three numbers.")
    return [_number(name, value, least=0.0 if name == "image_std" else -math.inf) for value in values]


def _number(name: str, value: Any, *, least: float) -> float:
    if type(value) not in {int, float} or not math.isfinite(value) or not value > least:
        raise ModelUnsupported(f"The model's {name} is {str(value)[:40]}, which is not usable.")
    return float(value)
