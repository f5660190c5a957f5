"""A captioner that can let go of its model and its memory while nothing is to be done, and take it up again."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PIL import Image

from worker.engine.contract import Candidate, Captioner, Generation, Picture, Prepared

log = logging.getLogger(__name__)


class Resting:
    """A Captioner over one that `load` makes, and makes again after a rest. All it says of itself stays as it was."""

    def __init__(self, load: Callable[[], Captioner]) -> None:
        """Loads the model. Raises what `load` raises."""
        self._load = load
        self._lock = threading.RLock()
        self._model: Captioner | None = load()
        first = self._model
        self.name, self.revision, self.device = first.name, first.revision, first.device
        self.precision, self.is_demo, self.side = first.precision, first.is_demo, first.side
        self.defaults: Mapping[str, Any] = first.defaults
        self._batch = first.batch

    @property
    def is_resting(self) -> bool:
        """Whether the model is not in memory now."""
        return self._model is None

    @property
    def batch(self) -> int:
        """See Captioner.batch."""
        return self._batch

    @batch.setter
    def batch(self, pictures: int) -> None:
        self._batch = pictures
        with self._lock:
            if self._model:
                self._model.batch = pictures

    def rest(self) -> None:
        """Let the model go. The next picture waits until it is loaded again."""
        with self._lock:
            self._model = None
            gc.collect()
            if self.device != "cpu":
                import torch

                torch.cuda.empty_cache()
        log.info("model unloaded while idle")

    def prepare(self, image: Image.Image) -> Prepared:
        """See Captioner.prepare. Loads the model where it is not."""
        return self._awake().prepare(image)

    def caption(self, images: Sequence[Picture], params: Generation | Sequence[Generation]) -> list[list[Candidate]]:
        """See Captioner.caption. Loads the model where it is not."""
        return self._awake().caption(images, params)

    def _awake(self) -> Captioner:
        with self._lock:
            if self._model is None:
                began = time.monotonic()
                self._model = self._load()
                self._model.batch = self._batch
                log.info("model loaded again in %.1f s", time.monotonic() - began)
            return self._model
