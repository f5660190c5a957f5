"""Whatever is asked for: captions are ranked, end where they must, obey their rules, and do not depend on the batch."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.engine.checkpoints import END_ID
from worker.engine.rules import Wishes
from worker.engine.search import Sentence

QUICK = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
OPENINGS = st.sampled_from([(), (), (7,), (9, 30)])


@st.composite
def batches(draw: st.DrawFn) -> list[Wishes]:
    """Draw wishes of one shape for one to five pictures."""
    do_sample = draw(st.booleans())
    beams = draw(st.integers(1, 5))
    captions = draw(st.integers(1, 5 if do_sample and beams == 1 else beams))
    opening = draw(OPENINGS)
    forbidden = draw(st.sampled_from([(), ((4,), (8, 2))]))
    longest = st.integers(len(opening) + 2, 20)

    def wish() -> Wishes:
        return Wishes(
            max_length=draw(longest),
            min_length=draw(st.sampled_from([0, 0, 6])),
            num_beams=beams,
            do_sample=do_sample,
            temperature=draw(st.sampled_from([0.5, 1.0, 1.8])),
            top_k=draw(st.sampled_from([0, 3, 50])),
            top_p=draw(st.sampled_from([0.4, 1.0])),
            repetition_penalty=draw(st.sampled_from([1.0, 1.7])),
            no_repeat_ngram_size=draw(st.sampled_from([0, 1, 2])),
            num_captions=captions,
            seed=draw(st.integers(0, 2**31)),
            length_penalty=draw(st.sampled_from([1.0, -1.0, 2.0])),
            early_stopping=draw(st.sampled_from([False, True, "never"])),
            forbidden=forbidden,
            opening=opening,
        )

    return [wish() for _ in range(draw(st.integers(1, 5)))]


def encoded(captioner: Any, pictures: list[Image.Image], count: int) -> torch.Tensor:
    pixels = torch.stack([torch.from_numpy(captioner.prepare(one).arrays["pixels"]) for one in pictures[:count]])
    encoded: torch.Tensor = captioner._model.encode(pixels)
    return encoded


def worth(sentence: Sentence, wish: Wishes) -> float:
    """Give what beam search ranks by, which is known only where no rule changed the scores."""
    given_away = len(wish.opening)
    return sum(sentence.token_scores[given_away:]) / (len(sentence.token_ids) - given_away) ** wish.length_penalty


@QUICK
@given(every=batches())
def test_it_gives_a_picture_the_same_sentences_alone_and_beside_any_others(
    captioner: Any, pictures: list[Image.Image], every: list[Wishes]
) -> None:
    with torch.inference_mode():
        hidden = encoded(captioner, pictures, len(every))
        together = captioner._model.decode(hidden, every)
        backwards = captioner._model.decode(hidden.flip(0), every[::-1])[::-1]
        alone = [captioner._model.decode(hidden[n : n + 1], [wish])[0] for n, wish in enumerate(every)]
    assert together == backwards == alone


@QUICK
@given(every=batches())
def test_it_obeys_every_wish(captioner: Any, pictures: list[Image.Image], every: list[Wishes]) -> None:
    with torch.inference_mode():
        found = captioner._model.decode(encoded(captioner, pictures, len(every)), every)
    for wish, sentences in zip(every, found, strict=True):
        assert len(sentences) == wish.num_captions
        for sentence in sentences:
            ids = sentence.token_ids
            assert ids[: len(wish.opening)] == wish.opening
            assert len(ids) == len(sentence.token_scores) < wish.max_length
            assert END_ID not in ids[len(wish.opening) : -1], "it went on after its end"
            assert ids[-1:] == (END_ID,) or len(ids) == wish.max_length - 1 or ids == wish.opening
            if ids[-1:] == (END_ID,):
                assert len(ids) >= min(wish.min_length, wish.max_length - 1)
            assert max(sentence.token_scores) <= 0
            free = ids[len(wish.opening) :]
            for run in wish.forbidden:
                assert all(free[place : place + len(run)] != run for place in range(len(free)))
            size = wish.no_repeat_ngram_size
            if size and not wish.opening:
                runs = [(END_ID, *ids)[place : place + size] for place in range(len(ids) + 2 - size)]
                assert len(runs) == len(set(runs))


@QUICK
@given(every=batches())
def test_it_ranks_the_sentences_of_a_search(captioner: Any, pictures: list[Image.Image], every: list[Wishes]) -> None:
    with torch.inference_mode():
        found = captioner._model.decode(encoded(captioner, pictures, len(every)), every)
    for wish, sentences in zip(every, found, strict=True):
        if wish.num_beams == 1 or wish.do_sample:
            continue
        assert len({sentence.token_ids for sentence in sentences}) == len(sentences), "the same sentence twice"
        if wish.repetition_penalty == 1.0:
            ranks = [worth(sentence, wish) for sentence in sentences if len(sentence.token_ids) > len(wish.opening)]
            assert all(a >= b - 1e-4 for a, b in itertools.pairwise(ranks))
