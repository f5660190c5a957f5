"""The one contract every captioning model stands behind: pictures and parameters in, candidate captions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

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
    that candidates made with different parameters can be compared.
    """

    text: str
    token_ids: tuple[int, ...]
    score: float


class Captioner(Protocol):
    """A loaded model.

    `name` and `revision` say where a caption came from; `device` and `precision` how it is computed; `is_demo` that
    only the bundled demo model answers; `defaults` are the generation parameters its publisher recommends.
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

    def caption(
        self, images: Sequence[Image.Image], params: Generation, *, seeds: Sequence[int | None] | None = None
    ) -> list[list[Candidate]]:
        """Give `params.num_captions` candidates for each picture, best first.

        `images` are RGB pictures of any sizes and any number; the engine makes its own batches. `seeds` gives each
        picture its own seed in place of `params.seed` (None: by chance). The same picture, parameters and seed give
        the same candidates alone and in any batch.

        Raises ValueError for parameters that contradict each other, OutOfMemory when not even one picture fits, and
        DeviceLost when the process must be started again.
        """
        ...
