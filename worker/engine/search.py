"""Decoding: from encoded pictures to sentences, for all pictures of a batch at once.

`decode` runs greedy decoding and sampling (independent sentences) or beam search. Beam search follows that of
transformers step by step (candidates twice the width, finished sentences kept apart, its three ways to stop), so that
both give the same tokens. What a picture gets never depends on the others: rows are computed by themselves, each stops
by its own rules, and pictures that are done leave the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from worker.engine import chance
from worker.engine.rules import NEVER, Rules

FAR: Final = -1e9  # added to a score, it keeps a sentence from being chosen and leaves its order readable
LEAVING: Final = 0.25  # share of pictures that must be done before the others are moved together


@dataclass(frozen=True, slots=True)
class Sentence:
    """Generated tokens, the end token included, and the log-probability of each under the untouched distribution."""

    token_ids: tuple[int, ...]
    token_scores: tuple[float, ...]


class Reader(Protocol):
    """What a search needs of a decoder: a Decoder, or what stands for one. Logits are good until the next step.

    The memory that `begin` gives has a method `keep`, as Memory has.
    """

    places: int

    def begin(self, hidden: Tensor, *, slots: int) -> Any:
        """See Decoder.begin."""

    def step(self, tokens: Tensor, place: int, memory: Any, first: int, mask: Tensor | None) -> Tensor:
        """See Decoder.step."""


def decode(decoder: Reader, hidden: Tensor, rules: Rules, *, start: int) -> list[list[Sentence]]:
    """Give `rules.captions` sentences for each of B pictures, best first. `hidden` is B,patches,width, encoded."""
    paths = Paths(decoder, hidden, rules, start)
    paths.open()
    found = _Beams(paths) if rules.is_search else _Chains(paths)
    while found.go_on():
        pass
    return found.sentences()


class Paths:
    """Sentences in the making: what was said, where it stands in the decoder's memory, which pictures are still open.

    `said` is B,R,longest; its first `length` tokens are known. Until the first choice all sentences of a picture are
    equal, so R is 1 until then.
    """

    def __init__(self, decoder: Reader, hidden: Tensor, rules: Rules, start: int) -> None:
        self.decoder, self.rules = decoder, rules
        self.batch, self.device = len(hidden), hidden.device
        self.longest = min(rules.longest, decoder.places)
        self.opened = min(1 + len(rules.opening), self.longest)
        steps = max(0, self.longest - 1 - self.opened)  # after the first choice; the last token is never read
        self.memory = decoder.begin(hidden, slots=self.opened + steps * rules.width)
        self.said = torch.full((self.batch, 1, self.longest), rules.end, device=self.device)
        self.said[:, :, 0] = start
        self.scores = torch.zeros(self.batch, 1, self.longest, device=self.device)
        self.length = 1
        self.limit = rules.max_length.clamp(max=self.longest)  # B
        self.pictures = torch.arange(self.batch, device=self.device)
        self._slots = 0
        self._own = torch.eye(rules.width, dtype=torch.bool, device=self.device)
        self._mask: Tensor | None = None

    def open(self) -> None:
        """Say the opening."""
        for token in self.rules.opening[: self.opened - 1]:
            logits = self.logits()
            self.said[:, :, self.length] = token
            self.scores[:, :, self.length] = logits[..., token] - logits.logsumexp(-1)
            self.length += 1

    def logits(self) -> Tensor:
        """Read the last token of every sentence and give the logits of the next: B,R,V."""
        rows = self.said.shape[1]
        if rows > 1:
            here = self._own.expand(len(self.said), -1, -1)
            before = self._mask
            if before is None:  # what all sentences share
                before = here.new_ones(len(self.said), rows, self._slots)
            self._mask = torch.cat([before, here], -1)
        logits = self.decoder.step(
            self.said[:, :, self.length - 1], self.length - 1, self.memory, self._slots, self._mask
        )
        self._slots += rows
        return logits

    def extend(self, parents: Tensor, tokens: Tensor, scores: Tensor) -> None:
        """Go on with sentences `parents` (B,R) and one more token each, whose log-probabilities are `scores`."""
        self.said, self.scores = _picked(self.said, parents), _picked(self.scores, parents)
        self.said[:, :, self.length], self.scores[:, :, self.length] = tokens, scores
        if self._mask is not None:
            self._mask = _picked(self._mask, parents)
        self.length += 1

    def keep(self, pictures: Tensor) -> None:
        """Drop all pictures but these (indexes)."""
        self.memory.keep(pictures)
        self.rules.keep(pictures)
        for name in ("said", "scores", "limit", "pictures"):
            setattr(self, name, getattr(self, name)[pictures])
        if self._mask is not None:
            self._mask = self._mask[pictures]


class _Chains:
    """Independent sentences: the likeliest token each time, or one drawn by chance."""

    def __init__(self, paths: Paths) -> None:
        self.paths, self.rules = paths, paths.rules
        shape = (paths.batch, self.rules.width)
        self._said = torch.full((*shape, paths.longest), self.rules.end, device=paths.device)
        self._scores = torch.zeros(*shape, paths.longest, device=paths.device)
        self._said[:, :, : paths.opened] = paths.said[:, :, : paths.opened]
        self._scores[:, :, : paths.opened] = paths.scores[:, :, : paths.opened]
        self._lengths = torch.full(shape, paths.opened, device=paths.device)
        self._is_done = torch.zeros(shape, dtype=torch.bool, device=paths.device)  # of the pictures still open

    def go_on(self) -> bool:
        """Make one step; False when every sentence has ended."""
        paths, rules = self.paths, self.rules
        if paths.length >= paths.longest:
            return False
        logits = paths.logits()
        rows = torch.arange(rules.width, device=paths.device).expand(len(logits), -1)
        if logits.shape[1] < rules.width:  # the first choice is one of equals
            parents, logits = torch.zeros_like(rows), logits.expand(-1, rules.width, -1)
            said = paths.said[:, :, : paths.length].expand(-1, rules.width, -1)
        else:
            parents, said = rows, paths.said[:, :, : paths.length]
        tokens = self._chosen(logits, said)
        scores = logits.gather(-1, tokens[:, :, None])[:, :, 0] - logits.logsumexp(-1)
        paths.extend(parents, tokens, scores)
        is_last = (tokens == rules.end) | (paths.length >= paths.limit)[:, None]
        ends = is_last & ~self._is_done
        self._write(ends)
        self._is_done = self._is_done | is_last
        return self._leave()

    def _chosen(self, logits: Tensor, said: Tensor) -> Tensor:
        rules = self.rules
        scores = rules.applied(logits.clone(), said) if rules.changes_scores else logits
        if not rules.is_chance:
            return scores.argmax(-1)
        values, tokens = rules.considered(scores)
        drawn = (values + chance.gumbel(rules.streams, self.paths.length, tokens)).argmax(-1, keepdim=True)
        return tokens.expand_as(values).gather(-1, drawn)[:, :, 0]

    def _write(self, ends: Tensor) -> None:
        paths = self.paths
        open_now = paths.pictures
        self._said[open_now] = torch.where(ends[:, :, None], paths.said, self._said[open_now])
        self._scores[open_now] = torch.where(ends[:, :, None], paths.scores, self._scores[open_now])
        self._lengths[open_now] = torch.where(ends, paths.length, self._lengths[open_now])

    def _leave(self) -> bool:
        is_open = ~self._is_done.all(-1)
        remaining = int(is_open.sum())
        if remaining == 0:
            return False
        if remaining <= (1 - LEAVING) * len(is_open):
            pictures = is_open.nonzero()[:, 0]
            self.paths.keep(pictures)
            self._is_done = self._is_done[pictures]
        return True

    def sentences(self) -> list[list[Sentence]]:
        """Give what was found, best first where it was drawn by chance."""
        found = _read(self._said, self._scores, self._lengths)
        if self.rules.is_chance:
            for sentences in found:
                sentences.sort(key=lambda one: -sum(one.token_scores) / max(1, len(one.token_scores)))
        return found


class _Beams:
    """Beam search. `W` sentences run; the best finished ones, up to W, are kept with their scores."""

    def __init__(self, paths: Paths) -> None:
        self.paths, self.rules = paths, paths.rules
        width, longest, device = self.rules.width, paths.longest, paths.device
        shape = (paths.batch, width)
        self._running = torch.zeros(paths.batch, 1, device=device)
        self._said = torch.full((*shape, longest), self.rules.end, device=device)
        self._scores = torch.zeros(*shape, longest, device=device)
        self._said[:, :, : paths.opened] = paths.said[:, :, : paths.opened]
        self._scores[:, :, : paths.opened] = paths.scores[:, :, : paths.opened]
        self._lengths = torch.full(shape, paths.opened, device=device)
        self._worth = torch.full(shape, FAR, device=device)  # score over length to the power of the length penalty
        self._is_finished = torch.zeros(shape, dtype=torch.bool, device=device)
        self._may_improve = torch.ones(paths.batch, 1, dtype=torch.bool, device=device)
        self._is_open = torch.ones(paths.batch, dtype=torch.bool, device=device)
        self._out: list[list[Sentence]] = [[] for _ in range(paths.batch)]
        self._is_top = torch.arange(2 * width, device=device) < width

    def go_on(self) -> bool:
        """Make one step; False when no picture can get better sentences."""
        paths, rules = self.paths, self.rules
        if paths.length >= paths.longest:
            return False
        logits = paths.logits()
        normaliser = logits.logsumexp(-1)  # B,R
        scores, parents, tokens = self._candidates(logits, normaliser)  # each B,2W
        plain = logits.flatten(1).gather(1, parents * logits.shape[-1] + tokens) - normaliser.gather(1, parents)
        ends = (tokens == rules.end) | (paths.length + 1 >= paths.limit)[:, None]
        self._finish(scores, parents, tokens, plain, ends & self._is_top)
        running = torch.where(ends, scores + FAR, scores)
        self._running, chosen = running.topk(rules.width)
        paths.extend(parents.gather(1, chosen), tokens.gather(1, chosen), plain.gather(1, chosen))
        return self._leave(ends)

    def _candidates(self, logits: Tensor, normaliser: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the 2W best next tokens of each picture over all its sentences: scores, parents, tokens."""
        paths, rules = self.paths, self.rules
        wanted = 2 * rules.width
        noise: Tensor | float = 0.0
        if not rules.changes_scores and not rules.is_chance:
            values, tokens = logits.topk(min(wanted, logits.shape[-1]))  # B,R,K
            values = values - normaliser[:, :, None]
        else:
            values = rules.applied(logits - normaliser[:, :, None], paths.said[:, :, : paths.length])
            if rules.is_chance:
                values, tokens = rules.considered(values, at_least=-(-wanted // values.shape[1]))
                noise = chance.gumbel(rules.streams[:, : values.shape[1]], paths.length, tokens)
                tokens = tokens.expand_as(values)
            else:
                values, tokens = values.topk(min(wanted, logits.shape[-1]))
        kept = values.shape[-1]
        values = values + self._running[:, :, None]
        ranked = (values + noise).flatten(1)
        if ranked.shape[1] < wanted:  # a small vocabulary, or few words left to chance
            lacking = wanted - ranked.shape[1]
            ranked = torch.nn.functional.pad(ranked, (0, lacking), value=NEVER)
            values = torch.nn.functional.pad(values.flatten(1), (0, lacking), value=NEVER)
            tokens = torch.nn.functional.pad(tokens.flatten(1), (0, lacking), value=rules.end)
        best = ranked.topk(wanted)[1]
        parents = (best // kept).clamp(max=logits.shape[1] - 1)
        return values.flatten(1).gather(1, best).float(), parents, tokens.flatten(1).gather(1, best)

    def _finish(self, scores: Tensor, parents: Tensor, tokens: Tensor, plain: Tensor, ends: Tensor) -> None:
        """Take sentences that end now among the finished ones, where they are better."""
        paths, rules = self.paths, self.rules
        generated = paths.length + 1 - paths.opened
        worth = scores / float(generated) ** rules.length_penalty[:, None]
        is_full = self._is_finished.all(-1, keepdim=True) & rules.stops_when_full[:, None]
        worth = worth + (is_full.float() + (~self._may_improve).float() + (~ends).float()) * FAR
        all_worth = torch.cat([self._worth, worth], 1)
        self._worth, chosen = all_worth.topk(rules.width)
        said, token_scores = _picked(paths.said, parents), _picked(paths.scores, parents)
        said[:, :, paths.length], token_scores[:, :, paths.length] = tokens, plain
        lengths = torch.full_like(tokens, paths.length + 1)
        self._said = _picked(torch.cat([self._said, said], 1), chosen)
        self._scores = _picked(torch.cat([self._scores, token_scores], 1), chosen)
        self._lengths = torch.cat([self._lengths, lengths], 1).gather(1, chosen)
        self._is_finished = torch.cat([self._is_finished, ends], 1).gather(1, chosen)

    def _leave(self, ends: Tensor) -> bool:
        """Hand out the pictures that are done; False when none is left."""
        paths, rules = self.paths, self.rules
        generated = torch.full_like(paths.limit, paths.length - paths.opened)
        hoped = torch.where(rules.never_stops & (rules.length_penalty > 0), paths.limit - paths.opened, generated)
        possible = self._running[:, :1] / hoped[:, None].float() ** rules.length_penalty[:, None]
        worst = torch.where(self._is_finished, self._worth.min(1, keepdim=True)[0], FAR)
        self._may_improve = self._may_improve & (possible > worst).any(-1, keepdim=True)
        is_full = self._is_finished.all(-1) & rules.stops_when_full
        is_done = ~self._may_improve[:, 0] | is_full | ends.all(-1)
        if bool((is_done & self._is_open).any()):
            self._hand_out(is_done & self._is_open)
            self._is_open = self._is_open & ~is_done
        remaining = int(self._is_open.sum())
        if 0 < remaining <= (1 - LEAVING) * len(self._is_open):
            self._keep(self._is_open.nonzero()[:, 0])
        return remaining > 0

    def _keep(self, pictures: Tensor) -> None:
        self.paths.keep(pictures)
        for name in (
            *("_running", "_said", "_scores", "_lengths", "_worth"),
            "_is_finished",
            "_may_improve",
            "_is_open",
        ):
            setattr(self, name, getattr(self, name)[pictures])

    def _hand_out(self, which: Tensor) -> None:
        captions = self.rules.captions
        found = _read(self._said[which, :captions], self._scores[which, :captions], self._lengths[which, :captions])
        for picture, sentences in zip(self.paths.pictures[which].tolist(), found, strict=True):
            self._out[picture] = sentences

    def sentences(self) -> list[list[Sentence]]:
        """Give what was found, best first."""
        if bool(self._is_open.any()):  # the opening alone is as long as a caption may be
            self._hand_out(self._is_open)
        return self._out


def _picked(rows: Tensor, which: Tensor) -> Tensor:
    """Pick sentences `which` (B,K) of `rows` (B,R,L): B,K,L."""
    return rows.gather(1, which[:, :, None].expand(-1, -1, rows.shape[-1]))


def _read(said: Tensor, scores: Tensor, lengths: Tensor) -> list[list[Sentence]]:
    """Turn B,K,L tokens and log-probabilities and B,K lengths into sentences, without the start token."""
    found = []
    for tokens, values, ends in zip(said.tolist(), scores.tolist(), lengths.tolist(), strict=True):
        found.append(
            [
                Sentence(tuple(row[1:end]), tuple(min(0.0, value) for value in worth[1:end]))
                for row, worth, end in zip(tokens, values, ends, strict=True)
            ]
        )
    return found
