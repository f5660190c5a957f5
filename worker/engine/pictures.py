"""Pixels as a checkpoint wants them: resize, rescale and normalise RGB pictures that are already open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from worker.engine.errors import ModelUnsupported

KINDS: Final = frozenset({"ViTFeatureExtractor", "ViTImageProcessor", "ViTImageProcessorFast", "ViTImageProcessorPil"})
LARGEST_SIDE: Final = 4096


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a checkpoint's pictures are prepared. `size` is (height, width) in pixels, None to leave them as they are."""

    size: tuple[int, int] | None
    resample: Image.Resampling
    table: npt.NDArray[np.float32]  # 3,256: what each byte of each channel becomes

    def batch(self, images: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        """Turn B pictures into one array B,3,H,W."""
        return np.stack([self.picture(image) for image in images])

    def picture(self, image: Image.Image) -> npt.NDArray[np.float32]:
        """Turn a picture in mode RGB into an array 3,H,W. Raises ValueError for another mode."""
        if image.mode != "RGB":
            raise ValueError(f"The engine reads RGB pictures; this one is {image.mode}. Convert it first.")
        if self.size is not None:
            height, width = self.size
            image = image.resize((width, height), self.resample)
        values = np.asarray(image)  # H,W,3 of bytes
        return np.stack([self.table[channel][values[:, :, channel]] for channel in range(3)])


def preprocessing(published: Mapping[str, Any]) -> Preprocessing:
    """Read a `preprocessor_config.json`, of today's kind or of the old `ViTFeatureExtractor`.

    Follows ViTImageProcessor of transformers 5, step by step and in its number types, so that pixels are bit-identical.
    Raises ModelUnsupported for steps that a ViT does not need.
    """
    kind = published.get("image_processor_type") or published.get("feature_extractor_type") or "ViTImageProcessor"
    if kind not in KINDS:
        raise ModelUnsupported(f"The model prepares its pictures with {kind!r}; this engine knows the ViT kinds only.")
    if published.get("do_center_crop") or published.get("do_pad"):
        raise ModelUnsupported("The model crops or pads its pictures; this engine only resizes them.")
    return Preprocessing(_size(published), _resample(published), _table(published))


def _size(published: Mapping[str, Any]) -> tuple[int, int] | None:
    if not published.get("do_resize", True):
        return None
    size = published.get("size", 224)
    sides = (size.get("height"), size.get("width")) if isinstance(size, Mapping) else (size, size)
    match sides:
        case (int() as height, int() as width) if 0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE:
            return height, width
    raise ModelUnsupported(
        f"The model's picture size {size!r} is not a height and a width up to {LARGEST_SIDE} pixels."
    )


def _resample(published: Mapping[str, Any]) -> Image.Resampling:
    try:
        return Image.Resampling(published.get("resample", Image.Resampling.BILINEAR))
    except ValueError as error:
        raise ModelUnsupported("The model names a way of resizing that Pillow does not know.") from error


def _table(published: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    values = np.arange(256, dtype=np.float64)
    if published.get("do_rescale", True):
        values = values * float(published.get("rescale_factor", 1 / 255))
    table = np.repeat(values.astype(np.float32)[None], 3, axis=0)
    if published.get("do_normalize", True):
        mean = _three(published.get("image_mean", 0.5))
        std = _three(published.get("image_std", 0.5))
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
            raise ModelUnsupported("The model's picture mean and deviation are not usable numbers.")
        table = (table - mean[:, None]) / std[:, None]
    return table


def _three(value: Any) -> npt.NDArray[np.float32]:
    try:
        return np.broadcast_to(np.asarray(value, dtype=np.float32), (3,))
    except (TypeError, ValueError) as error:
        raise ModelUnsupported("The model's picture mean and deviation are not three numbers.") from error
