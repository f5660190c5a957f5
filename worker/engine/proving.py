"""Recorded graphs are used by a model only after they gave what it gives without them, on this very machine.

Real searches are made with the graphs, and at each step the plain decoder reads the same tokens. So what is compared is
numbers and not captions: where two words are about as likely, rounding alone decides between them, and sentences that
part there say nothing of an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor

from worker.engine.decoder import Decoder
from worker.engine.graphs import Captured, Recorder
from worker.engine.rules import Rules, Wishes
from worker.engine.search import Sentence, decode
from worker.engine.vit_gpt2 import Model

log = logging.getLogger(__name__)

# Root mean square of the difference, over the standard deviation of what is compared, for each row. A graph that looks
# at a wrong slot, place or picture is off by half and more; the widest rounding of a published model stays below these.
TOLERANCE: Final[Mapping[torch.dtype, float]] = {torch.float32: 1e-3, torch.float16: 0.03, torch.bfloat16: 0.2}
TIE: Final = 4  # tolerances by which a word that graphs find likeliest may be less likely than another without them
TOKENS: Final = 16  # of the longest sentence
FEW: Final = 3  # pictures: fewer than the batch that is used for them
BEAMS: Final = 4


class Differs(Exception):
    """Graphs do not give what the model gives."""


def quicken(model: Model, pixels: Tensor, recorder: Callable[[], Recorder]) -> None:
    """Let a model use graphs, where they can be recorded and give for pictures (B,C,H,W) what it gives without them."""
    try:
        with torch.inference_mode():
            captured = Captured(model.encoder, model.decoder, recorder())
            prove(model, captured, pixels.to(model.device, model.dtype))
    except Exception as error:  # noqa: BLE001  # a model that runs without graphs must start, whatever fails here
        words = str(error).partition("\n")[0] or type(error).__name__
        log.warning("Recorded graphs are not used, the model runs without them, more slowly: %s", words)
        return
    if not captured.is_off:  # else it has said why
        model.captured = captured
        log.info("%d recorded graphs give what the model gives", captured.count)


def prove(model: Model, captured: Captured, pixels: Tensor) -> None:
    """Raise Differs where graphs do not give what the model gives."""
    tolerance = TOLERANCE[model.dtype]
    exact = model.encoder(pixels)
    for count in (len(pixels), FEW):
        found = captured.encode(pixels[:count])
        _compare(found, exact[:count], tolerance, "of the encoder")
    for count, beams in ((len(pixels), BEAMS), (FEW, 1)):
        both = _Both(captured, model.decoder, tolerance)
        if _said(model, both, exact[:count], beams) != _said(model, captured, exact[:count], beams):
            raise Differs("Recorded graphs of the decoder give something else each time.")


def _said(model: Model, reader: Any, hidden: Tensor, beams: int) -> list[list[Sentence]]:
    """Caption pictures of drawn-out lengths, so that they leave one after the other."""
    longest = min(TOKENS, model.decoder.places)
    lengths = [max(2, longest - 3 * (number % 4)) for number in range(len(hidden))]
    wishes = [Wishes(num_beams=beams, max_length=length, min_length=length) for length in lengths]
    return decode(reader, hidden, Rules(wishes, end=model.end, device=model.device), start=model.start)


def _compare(found: Tensor, exact: Tensor, tolerance: float, which: str) -> None:
    """Compare rows along the last dimension."""
    spread = exact.float().std(-1)
    far = (found.float() - exact.float()).square().mean(-1).sqrt() / spread
    worst = float(far.max())
    if not worst <= tolerance:  # also where it is no number
        raise Differs(f"Recorded graphs {which} are off by {worst:.2g} of the spread, and {tolerance:g} is allowed.")


class _Both:
    """What a search takes for a decoder: it gets what graphs give, and at each step that is compared."""

    def __init__(self, captured: Captured, exact: Decoder, tolerance: float) -> None:
        self.places, self._captured, self._exact, self._tolerance = captured.places, captured, exact, tolerance

    def begin(self, hidden: Tensor, *, slots: int) -> _Memories:
        return _Memories(self._captured.begin(hidden, slots=slots), self._exact.begin(hidden, slots=slots))

    def step(self, tokens: Tensor, place: int, memory: _Memories, first: int, mask: Tensor | None) -> Tensor:
        found = self._captured.step(tokens, place, memory.captured, first, mask)
        exact = self._exact.step(tokens, place, memory.exact, first, mask)
        _compare(found, exact, self._tolerance, "of the decoder")
        likeliest = exact.gather(-1, found.argmax(-1, keepdim=True))[..., 0]
        if bool((exact.amax(-1) - likeliest > TIE * self._tolerance * exact.std(-1)).any()):
            raise Differs("Recorded graphs of the decoder choose other words.")
        return found


class _Memories:
    def __init__(self, captured: Any, exact: Any) -> None:
        self.captured, self.exact = captured, exact

    def keep(self, pictures: Tensor) -> None:
        self.captured.keep(pictures)
        self.exact.keep(pictures)
