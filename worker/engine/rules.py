"""What a search must do for each picture of a batch, and what it may not say: every rule, for all sentences at once.

The rules are those of transformers' logits processors, applied in their order: repetition penalty, repeated runs,
forbidden runs, shortest length; then, where words are drawn by chance, temperature, top-k and top-p.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
from torch import Tensor

from worker.engine import chance
from worker.engine.contract import Generation

EarlyStopping = bool | Literal["never"]
NEVER: Final = -torch.inf
SEEDS: Final = 2**63


@dataclass(frozen=True, slots=True)
class Wishes:
    """How one picture is captioned. Lengths count tokens, the start token included.

    `forbidden` are runs of tokens that may not be said, `opening` the tokens every caption begins with.
    """

    max_length: int = 16
    min_length: int = 0
    num_beams: int = 4
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 50
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    num_captions: int = 1
    seed: int | None = None
    length_penalty: float = 1.0
    early_stopping: EarlyStopping = False
    forbidden: tuple[tuple[int, ...], ...] = ()
    opening: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Sentences followed at once."""
        return max(self.num_beams, self.num_captions) if self.do_sample or self.num_beams > 1 else 1

    @property
    def shape(self) -> tuple[Any, ...]:
        """Pictures share a batch when these are equal; everything else may differ between them."""
        is_search = self.num_beams > 1
        return (self.width, is_search, self.do_sample, self.num_captions, self.forbidden, self.opening)


def wishes(params: Generation, **others: Any) -> Wishes:
    """Read generation parameters; `others` are the wishes that they do not have."""
    names = (*("max_length", "num_beams", "do_sample", "temperature", "top_k", "top_p", "repetition_penalty"),)
    known = {name: getattr(params, name) for name in (*names, "no_repeat_ngram_size", "num_captions", "seed")}
    return Wishes(**known, **others)


class Rules:
    """The wishes of B pictures of one shape, as tensors."""

    def __init__(self, every: Sequence[Wishes], *, end: int, device: torch.device | str) -> None:
        """`end` is the token that ends a caption."""
        first = every[0]
        self.width, self.captions = first.width, first.num_captions
        self.is_search, self.is_chance = first.num_beams > 1, first.do_sample
        self.opening = first.opening
        self.end = end
        self.longest = max(wish.max_length for wish in every)
        self._shortest_ever = max(wish.min_length for wish in every)

        def column(name: str, dtype: torch.dtype) -> Tensor:
            return torch.tensor([getattr(wish, name) for wish in every], dtype=dtype, device=device)

        self.max_length, self.min_length = column("max_length", torch.long), column("min_length", torch.long)
        self.length_penalty = column("length_penalty", torch.float32)
        self.stops_when_full = torch.tensor([wish.early_stopping is True for wish in every], device=device)
        self.never_stops = torch.tensor([wish.early_stopping == "never" for wish in every], device=device)
        self._penalty = column("repetition_penalty", torch.float32)
        self._has_penalty = any(wish.repetition_penalty != 1.0 for wish in every)
        self._ngram = column("no_repeat_ngram_size", torch.long)
        self._ngrams = sorted({wish.no_repeat_ngram_size for wish in every} - {0})
        self._forbidden = [
            (torch.tensor(run[:-1], dtype=torch.long, device=device), run[-1])
            for run in first.forbidden
            if run and run != (end,)  # a caption that may not end would be a promise nobody can keep
        ]
        self._temperature = column("temperature", torch.float32)
        self._top_k, self._top_p = column("top_k", torch.long), column("top_p", torch.float32)
        # 0 stands for all tokens. Of a picture that needs fewer, the others are masked.
        self._most_kept = 0 if any(wish.top_k == 0 for wish in every) else max(wish.top_k for wish in every)
        self._keeps_all = all(wish.top_k == 0 and wish.top_p >= 1.0 for wish in every)
        self._has_top_p = any(wish.top_p < 1.0 for wish in every)
        if self.is_chance:
            seeds = [random.SystemRandom().randrange(SEEDS) if wish.seed is None else wish.seed for wish in every]
            self.streams = chance.streams(torch.tensor(seeds, device=device), self.width)  # B,R

    def keep(self, pictures: Tensor) -> None:
        """Drop all pictures but these (indexes)."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value[pictures])

    @property
    def changes_scores(self) -> bool:
        """Whether any rule looks at the scores before words are chosen."""
        return bool(self._has_penalty or self._ngrams or self._forbidden or self._shortest_ever)

    def applied(self, scores: Tensor, said: Tensor) -> Tensor:
        """Give scores (B,R,V, changed in place) as the rules want them, after sentences `said` (B,R,L)."""
        if self._has_penalty:
            there = scores.gather(-1, said)
            penalty = self._penalty[:, None, None]
            scores.scatter_(-1, said, torch.where(there < 0, there * penalty, there / penalty))
        for size in self._ngrams:
            self._forbid_repeats(scores, said, size)
        length = said.shape[-1]
        for run, last in self._forbidden:
            if len(run) <= length:
                is_said = (said[..., length - len(run) :] == run).all(-1)  # B,R
                scores[..., last].masked_fill_(is_said, NEVER)
        if length < self._shortest_ever:
            scores[..., self.end].masked_fill_((length < self.min_length)[:, None], NEVER)
        return scores

    def _forbid_repeats(self, scores: Tensor, said: Tensor, size: int) -> None:
        length = said.shape[-1]
        if length < size:
            return
        windows = said.unfold(-1, size, 1)  # B,R,length-size+1,size
        prefix = said[..., length + 1 - size :]
        repeats = (windows[..., :-1] == prefix[:, :, None]).all(-1) & (self._ngram == size)[:, None, None]
        # Windows that do not repeat point at a column of their own, where they can forbid nothing.
        where = torch.where(repeats, windows[..., -1], scores.shape[-1])
        forbidden = torch.zeros((*scores.shape[:-1], scores.shape[-1] + 1), dtype=torch.bool, device=scores.device)
        scores.masked_fill_(forbidden.scatter_(-1, where, True)[..., :-1], NEVER)

    def considered(self, scores: Tensor, *, at_least: int = 1) -> tuple[Tensor, Tensor]:
        """Give what may be drawn by chance: scores after temperature, top-k and top-p, and their tokens.

        B,R,V -> B,R,K and B,R,K (or K alone, where all tokens are considered). The likeliest `at_least` tokens stay
        whatever top-k and top-p say: a search that finds fewer words than it follows sentences would run dry.
        """
        scores = scores / self._temperature[:, None, None]
        vocabulary = scores.shape[-1]
        if self._keeps_all:
            return scores, torch.arange(vocabulary, device=scores.device)
        kept = min(max(self._most_kept, at_least), vocabulary) if self._most_kept else vocabulary
        values, tokens = scores.topk(kept)  # falling
        places = torch.arange(kept, device=scores.device)
        limit = torch.where(self._top_k == 0, vocabulary, self._top_k.clamp(min=at_least))[:, None, None]
        values = values.masked_fill(places >= limit, NEVER)
        if self._has_top_p:
            likely = values.double().softmax(-1)
            rest = likely.flip(-1).cumsum(-1).flip(-1)  # how likely a token and all that are less likely are together
            unlikely = rest <= 1 - self._top_p.double()[:, None, None]
            values = values.masked_fill(unlikely & (places >= at_least), NEVER)
        return values, tokens
