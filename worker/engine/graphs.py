"""The model as recorded graphs: for a GPU, to which telling 250 small kernels a token takes longer than running them.

A graph does the same work at the same addresses whenever it is replayed. So batches are filled up to a few sizes, a
picture's memory has all of its slots from the start, the place in the sentence is a tensor like any other, and what
changes is copied into tensors that stay. Pictures that are done keep their rows; nobody looks at them any more.

A graph is recorded when its size is met for the first time. Those that were not needed for longest are let go.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from worker.engine.batches import is_out_of_memory
from worker.engine.decoder import Decoder, Memory, Numbered
from worker.engine.encoder import Encoder

log = logging.getLogger(__name__)

GRAPHS: Final = 32  # kept at once
SHARE: Final = 0.25  # of the GPU's free memory may be taken by them
SLOTS: Final = 32  # the number of slots is a multiple of it: fewer graphs, and the attention's mask is aligned
ENCODED: Final = 16  # pictures; in larger batches the encoder's kernels take longer than telling them
WARM_UPS: Final = 2  # runs before recording, in which libraries choose their kernels and take their memory

Work = Callable[[], Tensor]  # does the same at the same addresses each time, and gives the same tensor, filled anew


class Recorder(Protocol):
    """Records work, and says how many bytes all that is recorded may take."""

    most_bytes: int

    def capture(self, work: Work) -> Work:
        """Give what does `work` again. The work is done any number of times meanwhile."""


class CudaRecorder:
    """Records CUDA graphs, as torch.cuda.graph's documentation describes.

    All of them share one pool of memory: they run one after the other, and what a graph gives is held by its tensor.
    """

    def __init__(self, device: torch.device | str) -> None:
        """Raises RuntimeError where nothing can be recorded."""
        self._device = torch.device(device)
        self.most_bytes = int(SHARE * torch.cuda.mem_get_info(self._device)[0])
        self._stream = torch.cuda.Stream(self._device)
        self._pool = torch.cuda.graph_pool_handle()
        # A pool without any graph may not be used again, so that one stays.
        self._anchor = self.capture(lambda: torch.zeros(1, device=self._device))

    def capture(self, work: Work) -> Work:
        """See Recorder.capture."""
        with torch.cuda.device(self._device):
            here = torch.cuda.current_stream()
            self._stream.wait_stream(here)
            with torch.cuda.stream(self._stream):
                for _ in range(WARM_UPS):
                    work()
            here.wait_stream(self._stream)
            graph = torch.cuda.CUDAGraph()
            # By default, whatever another thread asks of CUDA meanwhile would spoil the recording.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                result = work()

        def replay() -> Tensor:
            graph.replay()
            return result

        return replay


class _Room:
    """Memory of `batch` pictures and `slots` tokens that stays where it is. `turn` counts who had it."""

    def __init__(self, decoder: Decoder, hidden: Tensor, batch: int, slots: int) -> None:
        self.batch, self.slots, self.turn = batch, slots, 0
        self.memory = decoder.begin(hidden.new_zeros((batch, *hidden.shape[1:])), slots=slots)
        self.bytes: int = sum(one.nbytes for pair in (*self.memory.cross, *self.memory.own) for one in pair)

    def fill(self, decoder: Decoder, hidden: Tensor) -> None:
        """Begin anew with pictures `hidden` (B,patches,encoder width)."""
        self.turn += 1
        for (keys, values), one in zip(self.memory.cross, decoder.pictured(hidden), strict=True):
            keys[: len(hidden)], values[: len(hidden)] = one[0], one[1]
        for pair in self.memory.own:
            for kept in pair:
                kept.zero_()  # a slot that nobody sees counts for nothing, but nothing times infinity is no number


@dataclass(slots=True)
class _Lent:
    """What a search holds: a room, and the rows of the pictures that are still open."""

    room: _Room
    pictures: Tensor | slice
    turn: int

    def keep(self, pictures: Tensor) -> None:
        """Drop all pictures but these (indexes)."""
        self.pictures = pictures if isinstance(self.pictures, slice) else self.pictures[pictures]


@dataclass(slots=True)
class _Graph:
    """Work, what it reads, and the room in which it does it, which lives as long as the graph does."""

    work: Work
    inputs: tuple[Tensor, ...]
    bytes: int
    room: _Room | None = None


class Captured:
    """Encoder and decoder of a model, replayed. A search takes it for a Decoder; one search at a time."""

    def __init__(self, encoder: Encoder, decoder: Decoder, recorder: Recorder) -> None:
        self.places, self.vocabulary = decoder.places, decoder.vocabulary
        self.is_off = False  # for good, once something could not be recorded
        self._encoder, self._decoder, self._recorder = encoder, decoder, recorder
        self._most_bytes = recorder.most_bytes
        self._graphs: OrderedDict[tuple[int, ...], _Graph] = OrderedDict()  # least recently used first
        self._rooms: WeakValueDictionary[tuple[int, int], _Room] = WeakValueDictionary()

    @property
    def bytes(self) -> int:
        """What graphs and their memory take, as far as it can be counted."""
        graphs: int = sum(graph.bytes for graph in self._graphs.values())
        return graphs + sum(room.bytes for room in self._rooms.values())

    @property
    def count(self) -> int:
        """How many graphs there are."""
        return len(self._graphs)

    def encode(self, pixels: Tensor) -> Tensor:
        """See Encoder."""
        count, batch = len(pixels), padded(len(pixels))
        if self.is_off or batch > ENCODED:
            return self._encoder(pixels)

        def encoding() -> _Graph:
            encoder, inputs = self._encoder, pixels.new_zeros((batch, *pixels.shape[1:]))
            result = batch * encoder.patches * encoder.width * pixels.element_size()
            return _Graph(lambda: encoder(inputs), (inputs,), inputs.nbytes + result)

        graph = self._graphs.get(key := (batch,)) or encoding()
        graph.inputs[0][:count] = pixels
        return self._run(key, graph)[:count].clone()

    def begin(self, hidden: Tensor, *, slots: int) -> _Lent | Memory:
        """See Decoder.begin."""
        room = None if self.is_off else self._room(hidden, padded(len(hidden)), SLOTS * math.ceil(slots / SLOTS))
        if room is None:
            return self._decoder.begin(hidden, slots=slots)
        room.fill(self._decoder, hidden)
        return _Lent(room, slice(0, len(hidden)), room.turn)

    def step(self, tokens: Tensor, place: int, memory: Any, first: int, mask: Tensor | None) -> Tensor:
        """See Decoder.step. The logits are good until the next step."""
        if isinstance(memory, Memory):
            return self._decoder.step(tokens, place, memory, first, mask)
        room, rows = memory.room, tokens.shape[1]
        if memory.turn != room.turn:
            raise RuntimeError("Another search has begun in this memory.")
        graph = self._graphs.get(key := (room.batch, rows, room.slots)) or _reading(self._decoder, room, rows)
        said, where, begins, seen = graph.inputs
        said[memory.pictures] = tokens
        where.fill_(place)
        begins.fill_(first)
        seen.fill_(False)
        seen[memory.pictures, :, : first + rows] = True if mask is None else mask
        return self._run(key, graph)[memory.pictures]

    # --- What is kept ----------------------------------------------------------------------------------------------

    def _room(self, hidden: Tensor, batch: int, slots: int) -> _Room | None:
        """Give the room of this size, made where there is none; None where it would take too much."""
        if (room := self._rooms.get((batch, slots))) is not None:
            return room
        layers, patches = self._decoder.depth, hidden.shape[1]
        needed = 2 * layers * batch * (patches + slots) * self._decoder.width * hidden.element_size()
        if not self._makes_way(needed):
            return None
        try:
            room = self._rooms[batch, slots] = _Room(self._decoder, hidden, batch, slots)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if room is None:  # outside the handler: while it runs, the error's frames still hold what did not fit
            self._shrink(needed)
        return room

    def _run(self, key: tuple[int, ...], graph: _Graph) -> Tensor:
        """Do a graph's work. What it reads must be in place: while it is recorded, the work is done as well."""
        if key in self._graphs:
            self._graphs.move_to_end(key)
        elif not self.is_off and self._makes_way(graph.bytes):
            self._record(key, graph)
        return graph.work()

    def _record(self, key: tuple[int, ...], graph: _Graph) -> None:
        """Record a graph and keep it; where that fails, its work stays as it is, done piece by piece."""
        failure = ""
        is_full = False
        try:
            graph.work = self._recorder.capture(graph.work)
        except Exception as error:  # noqa: BLE001  # whatever a driver or library cannot record, it can still run
            failure, is_full = str(error).partition("\n")[0] or type(error).__name__, is_out_of_memory(error)
        if is_full:  # outside the handler, as above
            self._shrink(graph.bytes)
        elif failure:
            self.is_off = True
            self._graphs.clear()
            log.warning("Recording the model failed, it runs without graphs, more slowly: %s", failure)
        else:
            self._graphs[key] = graph

    def _makes_way(self, needed: int) -> bool:
        """Let go what was not used for longest, until a graph or room of so many bytes fits; False where it cannot."""
        if needed > self._most_bytes:
            return False  # whatever were let go
        while self._graphs and (len(self._graphs) >= GRAPHS or self.bytes + needed > self._most_bytes):
            self._graphs.popitem(last=False)
        return self.bytes + needed <= self._most_bytes

    def _shrink(self, needed: int) -> None:
        """Let all graphs go after memory ran out, and hold half as much from now on."""
        self._most_bytes = (self.bytes + needed) // 2
        self._graphs.clear()
        log.warning("Memory ran out beside recorded graphs; they may take %d MiB from now on.", self._most_bytes >> 20)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def padded(count: int) -> int:
    """Give the size of batch that is used for so many pictures: the next power of two."""
    return 1 << (count - 1).bit_length()


def _reading(decoder: Decoder, room: _Room, rows: int) -> _Graph:
    """Give a step of `rows` sentences for each picture of a room, by tokens B,R; place 1; first slot 1; mask B,R,slots.

    It must not refer to the graph itself: a circle would outlive its last use by some time, and much memory with it.
    """
    memory = room.memory
    keys = memory.own[0][0]
    whole = {"dtype": torch.long, "device": keys.device}
    tokens, place, first = (torch.zeros(shape, **whole) for shape in ((room.batch, rows), (1,), (1,)))
    mask = torch.zeros((room.batch, rows, room.slots), dtype=torch.bool, device=keys.device)
    numbers = torch.arange(rows, device=keys.device)
    # Not minus infinity: a row that nobody looks at sees no slot at all, and would give no number.
    hidden = torch.finfo(keys.dtype).min

    def read() -> Tensor:
        added = torch.zeros(mask.shape, dtype=keys.dtype, device=keys.device).masked_fill_(~mask, hidden)
        return decoder.read(tokens, place, memory, Numbered(first + numbers), added)

    logits = room.batch * rows * decoder.vocabulary * 4
    return _Graph(read, (tokens, place, first, mask), logits + mask.nbytes, room)
