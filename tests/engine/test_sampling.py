"""Words drawn by chance follow the distribution that transformers draws from, and a seed gives the same ones again."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import VisionEncoderDecoderModel
from transformers.generation import logits_process as theirs

from tests.engine.checkpoints import END_ID
from worker.engine.chance import gumbel, streams
from worker.engine.rules import Wishes

DRAWS = 6000
LIMIT = 4.0  # standard deviations of chi-square: seeds are fixed, so it either holds for ever or is wrong


def chi_square(seen: Counter[Any], expected: dict[Any, float]) -> float:
    """Give by how many standard deviations the statistic lies above its mean; rare outcomes are taken together."""
    total = sum(seen.values())
    common = {what: share for what, share in expected.items() if share * total >= 5}
    rest = 1.0 - sum(common.values())
    terms = [(seen[what] - share * total) ** 2 / (share * total) for what, share in common.items()]
    if rest * total >= 5:
        others = total - sum(seen[what] for what in common)
        terms.append((others - rest * total) ** 2 / (rest * total))
    freedom = len(terms) - 1
    return (sum(terms) - freedom) / math.sqrt(2 * freedom)


def after_rules(scores: torch.Tensor, said: torch.Tensor, wish: Wishes) -> torch.Tensor:
    """What transformers draws from: its own processors, in the order of its generate. N,V and N,L -> N,V."""
    if wish.repetition_penalty != 1.0:
        scores = theirs.RepetitionPenaltyLogitsProcessor(wish.repetition_penalty)(said, scores)
    scores = theirs.TemperatureLogitsWarper(wish.temperature)(said, scores)
    if wish.top_k:
        scores = theirs.TopKLogitsWarper(wish.top_k)(said, scores)
    if wish.top_p < 1.0:
        scores = theirs.TopPLogitsWarper(wish.top_p)(said, scores)
    return scores


WISHES = [
    Wishes(do_sample=True, num_beams=1, max_length=3, top_k=0),
    Wishes(do_sample=True, num_beams=1, max_length=3, top_k=12, temperature=1.7),
    Wishes(do_sample=True, num_beams=1, max_length=3, top_k=0, top_p=0.8),
    Wishes(do_sample=True, num_beams=1, max_length=3, top_k=40, top_p=0.9, temperature=1.3, repetition_penalty=1.5),
]


@pytest.mark.parametrize("wish", WISHES, ids=["all", "top-k", "top-p", "everything"])
def test_it_draws_pairs_of_tokens_as_transformers_would(
    captioner: Any, plain_model: VisionEncoderDecoderModel, pictures: list[Image.Image], wish: Wishes
) -> None:
    pixels = torch.from_numpy(captioner.prepare(pictures[0]).arrays["pixels"])[None]
    model = captioner._model
    with torch.inference_mode():
        every = Wishes(**{**{n: getattr(wish, n) for n in wish.__slots__}, "num_captions": DRAWS, "seed": 5})
        [found] = model.decode(model.encode(pixels), [every])
        seen = Counter(sentence.token_ids for sentence in found)

        def logits(said: torch.Tensor) -> torch.Tensor:
            many = pixels.expand(len(said), -1, -1, -1)
            return plain_model(pixel_values=many, decoder_input_ids=said).logits[:, -1].float()

        start = torch.tensor([[END_ID]])
        first = after_rules(logits(start), start, wish).softmax(-1)[0].double()
        expected: dict[tuple[int, ...], float] = {(END_ID,): float(first[END_ID])}
        likely = [token for token in range(len(first)) if token != END_ID and first[token] * DRAWS > 1]
        said = torch.tensor([[END_ID, token] for token in likely])
        second = after_rules(logits(said), said, wish).softmax(-1).double()
        for place, token in enumerate(likely):
            expected |= {(token, after): float(first[token] * second[place, after]) for after in range(len(first))}
    assert len(seen) > 20
    assert chi_square(seen, expected) < LIMIT


def test_it_draws_beams_without_replacement_in_proportion(captioner: Any, pictures: list[Image.Image]) -> None:
    """The first word of a sampled search 2 wide: pairs come as if drawn one after the other, never twice the same."""
    noise = streams(torch.arange(DRAWS), 1)
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)
    drawn = (shares.log() + gumbel(noise, 1, torch.arange(4))).topk(2)[1][:, 0].tolist()
    seen = Counter(tuple(pair) for pair in drawn)
    expected = {(a, b): float(shares[a] * shares[b] / (1 - shares[a])) for a, b in itertools.permutations(range(4), 2)}
    assert chi_square(seen, expected) < LIMIT


def test_it_draws_numbers_that_look_like_chance() -> None:
    """Neither neighbouring seeds, sentences, steps nor tokens may go together."""
    values = torch.stack([gumbel(streams(torch.arange(40), 10), step, torch.arange(25)) for step in range(10)])
    uniform = torch.exp(-torch.exp(-values))  # steps,seeds,sentences,tokens
    assert chi_square(Counter((uniform.flatten() * 100).long().tolist()), dict.fromkeys(range(100), 0.01)) < LIMIT
    centred = uniform - 0.5
    for axis in range(4):
        there, here = centred.narrow(axis, 1, uniform.shape[axis] - 1), centred.narrow(axis, 0, uniform.shape[axis] - 1)
        together = float((there * here).mean()) * 12
        assert abs(together) < LIMIT / math.sqrt(here.numel()), f"axis {axis}"


def test_it_draws_the_same_from_a_seed_on_any_machine() -> None:
    """Written down once: another result would make seeds in old captions worthless."""
    values = gumbel(streams(torch.tensor([0, 42]), 2), 3, torch.tensor([0, 50256])).flatten().tolist()
    assert values == pytest.approx(
        [
            *(2.926136715889437, 0.679514012462119, 2.073144025462801, -0.13504801977928488),
            *(-0.0753643542474156, 0.5335291847891568, -0.6410487912249175, 2.5310622716631994),
        ],
        rel=1e-12,
    )
