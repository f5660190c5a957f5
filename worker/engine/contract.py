"""The one contract every captioning model stands behind: pictures and parameters in, candidate captions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt
from PIL import Image


class Generation(Protocol):
    """How captions are generated. Lengths count the model's tokens, the start token included."""

    @property
    def max_length(self) -> int: ...
    @property
    def num_beams(self) -> int: ...
    @property
    def do_sample(self) -> bool: ...
    @property
    def temperature(self) -> float: ...
    @property
    def top_k(self) -> int: ...
    @property
    def top_p(self) -> float: ...
    @property
    def repetition_penalty(self) -> float: ...
    @property
    def no_repeat_ngram_size(self) -> int: ...
    @property
    def num_captions(self) -> int: ...
    @property
    def seed(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """One caption a model offers for one picture.

    `text` is clean (one line, no control characters) and may be empty. `token_ids` are the generated tokens: without
    the start token, with the end token when the model ended the sentence itself. `score` is the mean log-probability
    (nats, at most 0) of those tokens under the model's untouched distribution, before penalties and temperature, so
    that candidates made with different parameters can be compared. `token_scores` are the log-probabilities of the
    single tokens, where the captioner keeps them.
    """

    text: str
    token_ids: tuple[int, ...]
    score: float
    token_scores: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture as one captioner wants it; only the captioner that made it can read it.

    `arrays` are its inputs by name, without the dimension of the batch.
    """

    arrays: Mapping[str, npt.NDArray[Any]]


Picture = Image.Image | Prepared


class Captioner(Protocol):
    """A loaded model.

    `name` and `revision` say where a caption came from; `device` and `precision` how it is computed; `is_demo` that
    only the bundled demo model answers; `defaults` are the generation parameters its publisher recommends; `batch` is
    how many pictures run at once. `side` is how many pixels a side pictures are shrunk to, the longer one where the two
    differ; None where more pixels of a picture show the model more.
    """

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def is_demo(self) -> bool: ...
    @property
    def defaults(self) -> Mapping[str, Any]: ...
    @property
    def side(self) -> int | None: ...
    @property
    def batch(self) -> int: ...
    @batch.setter
    def batch(self, pictures: int) -> None: ...

    def prepare(self, image: Image.Image) -> Prepared:
        """Shrink and normalise one RGB picture of any size. May run in any thread, while the model runs in another.

        Raises ValueError for a picture in another mode.
        """
        ...

    def caption(self, images: Sequence[Picture], params: Generation | Sequence[Generation]) -> list[list[Candidate]]:
        """Give `num_captions` candidates for each picture, best first.

        `images` are any number of RGB pictures of any sizes, or what `prepare` made of them; the engine makes its own
        batches. `params` are for all of them, or one for each. The same picture, parameters and seed give the same
        candidates alone and in any batch; without a seed, sampling goes by chance.

        Raises ValueError for parameters that contradict each other, OutOfMemory when not even one picture fits, and
        DeviceLost when the process must be started again.
        """
        ...
