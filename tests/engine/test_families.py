"""Every family's captions are those of transformers' own generate, token for token, behind the same contract."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers import AutoImageProcessor, PreTrainedTokenizerFast
from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

from captions.params import GenerationParams
from tests.engine.checkpoints import SIDE
from tests.engine.family_checkpoints import ID, KINDS, family_checkpoint
from worker.engine import load
from worker.engine.contract import Candidate, Captioner, Prepared

SMOL = "<|im_start|>User:<image>Describe this image in one sentence.<end_of_utterance>\nAssistant:"
QWEN = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|><|image_pad|>"
    "<|vision_end|>Describe this image in one sentence.<|im_end|>\n<|im_start|>assistant\n"
)
BEAMS = GenerationParams(num_beams=3, num_captions=2, max_length=12)
CHANCE = GenerationParams(do_sample=True, num_beams=1, num_captions=2, seed=42, temperature=1.5, max_length=12)


class Reference:
    """One checkpoint as transformers itself loads and drives it: what the engine is held against."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.model = getattr(transformers, KINDS[kind][1]).from_pretrained(folder).eval()
        self.eye = AutoImageProcessor.from_pretrained(folder, backend="pil")
        self.words = PreTrainedTokenizerFast.from_pretrained(folder)

    def inputs(self, picture: Image.Image) -> dict[str, Any]:
        """Give one picture, and the prompt where there is one, as the family's own processor makes them."""
        if self.kind == "florence2":
            image = self.eye(images=[picture], return_tensors="pt")
            count = self.model.get_image_features(**image).pooler_output.shape[1]
            text = "<image>" * count + "<s>What does the image describe?</s>"
            return {**image, "input_ids": self.ids(text)}
        if self.kind in {"idefics3", "smolvlm"}:
            found = dict(self.eye(images=[picture], return_tensors="pt", return_row_col_info=True))
            rows, columns = found.pop("rows")[0][0], found.pop("cols")[0][0]
            image = get_image_prompt_string(rows, columns, 4, "<fake_token_around_image>", "<image>", "<global-img>")
            return {**found, "input_ids": self.ids(SMOL.replace("<image>", image))}
        if self.kind.startswith("qwen"):
            found = dict(self.eye(images=[picture], return_tensors="pt"))
            count = int(found["image_grid_thw"].prod()) // 4
            ids = self.ids(QWEN.replace("<|image_pad|>", "<|image_pad|>" * count))
            return {**found, "input_ids": ids, "mm_token_type_ids": (ids == ID["<|image_pad|>"]).int()}
        return dict(self.eye(images=[picture], return_tensors="pt"))

    def ids(self, text: str) -> torch.Tensor:
        return torch.tensor([self.words(text, add_special_tokens=False).input_ids])

    def generated(self, picture: Image.Image, **options: Any) -> list[list[int]]:
        """Generate for one picture alone; give the new tokens up to the end token."""
        inputs = self.inputs(picture)
        before = inputs["input_ids"].shape[1] if "input_ids" in inputs and self.kind != "florence2" else 1
        if self.kind == "blip-2":
            before = 5
        if self.kind in CHATS:
            options["suppress_tokens"] = [ID[name] for name in CHATS[self.kind]]
        with torch.inference_mode():
            rows = self.model.generate(**inputs, **{"max_new_tokens": 11, "do_sample": False} | options).tolist()
        return [self.cut(row[before:]) for row in rows]

    def cut(self, row: list[int]) -> list[int]:
        end = END_OF[self.kind]
        return row[: row.index(end) + 1] if end in row else row

    def score(self, picture: Image.Image, tokens: tuple[int, ...]) -> float:
        """Recompute a score one growing prefix at a time: no cache, no batch, nothing filled up."""
        total, inputs = 0.0, self.inputs(picture)
        for place, token in enumerate(tokens):
            row = self.next(inputs, tokens[:place])
            total += float(row[token] - row.max() - np.log(np.exp(row - row.max()).sum()))
        return total / len(tokens)

    def next(self, inputs: dict[str, Any], said: tuple[int, ...]) -> Any:
        start = {"blip": ID["<s>"], "git": ID["<s>"], "florence2": ID["</s>"]}.get(self.kind)
        before = [start] if start is not None else inputs.get("input_ids", torch.tensor([FIRST])).tolist()[0]
        ids = torch.tensor([[*before, *said]])
        name = "decoder_input_ids" if self.kind == "florence2" else "input_ids"
        kinds = {"mm_token_type_ids": (ids == ID["<|image_pad|>"]).int()} if self.kind.startswith("qwen") else {}
        with torch.inference_mode():
            return self.model(**inputs | {name: ids} | kinds).logits[0, -1].double().numpy()


CHATS = {  # what their answers never hold: the tokens that stand for pictures
    "idefics3": ["<image>"],
    "smolvlm": ["<image>"],
    "qwen2_vl": ["<|image_pad|>", "<|video_pad|>"],
    "qwen2_5_vl": ["<|image_pad|>", "<|video_pad|>"],
}
FIRST = [ID["<image>"]] * 4 + [ID["</s>"]]  # what a BLIP-2 continues
END_OF = {
    "blip": ID["<|endoftext|>"],
    "git": ID["<|endoftext|>"],
    "blip-2": ID["<|endoftext|>"],
    "florence2": ID["</s>"],
    "idefics3": ID["<end_of_utterance>"],
    "smolvlm": ID["<end_of_utterance>"],
    "qwen2_vl": ID["<|im_end|>"],
    "qwen2_5_vl": ID["<|im_end|>"],
}


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return family_checkpoint(tmp_path_factory.mktemp("families") / kind, kind)


@pytest.fixture(scope="module")
def speaker(folder: Path) -> Captioner:
    return load(str(folder), device="cpu")


@pytest.fixture(scope="module")
def reference(kind: str, folder: Path) -> Reference:
    return Reference(kind, folder)


def flat(found: list[list[Candidate]]) -> list[list[int]]:
    return [list(candidate.token_ids) for candidates in found for candidate in candidates]


def texts(found: list[list[Candidate]]) -> list[list[tuple[int, ...]]]:
    return [[candidate.token_ids for candidate in candidates] for candidates in found]


@pytest.mark.parametrize(
    "options",
    [
        {"num_beams": 1},
        {"num_beams": 3, "num_captions": 2},
        {"num_beams": 2, "repetition_penalty": 1.6, "no_repeat_ngram_size": 2},
    ],
    ids=["greedy", "beams", "penalties"],
)
def test_it_gives_the_tokens_of_plain_generate(
    speaker: Captioner, reference: Reference, pictures: list[Image.Image], options: dict[str, Any]
) -> None:
    wanted = {name: value for name, value in options.items() if name != "num_captions"}
    wanted["num_return_sequences"] = options.get("num_captions", 1)
    expected = [row for picture in pictures[:6] for row in reference.generated(picture, **wanted)]
    assert flat(speaker.caption(pictures[:6], GenerationParams(max_length=12, **options))) == expected


def test_it_samples_what_plain_generate_samples_from_the_same_seed(
    speaker: Captioner, reference: Reference, pictures: list[Image.Image]
) -> None:
    for picture in pictures[:2]:
        torch.manual_seed(42)
        expected = reference.generated(
            picture, do_sample=True, temperature=1.5, num_return_sequences=2, top_k=CHANCE.top_k, top_p=CHANCE.top_p
        )
        assert sorted(flat(speaker.caption([picture], CHANCE))) == sorted(expected)


@pytest.mark.parametrize("params", [BEAMS, CHANCE], ids=["beams", "sampling"])
def test_it_gives_a_picture_the_same_captions_alone_and_in_any_order(
    speaker: Captioner, pictures: list[Image.Image], params: GenerationParams
) -> None:
    some = pictures[:6]
    together = texts(speaker.caption(some, params))
    assert texts(speaker.caption(some[::-1], params)) == together[::-1]
    assert [texts(speaker.caption([picture], params))[0] for picture in some] == together
    assert len({tuple(candidates) for candidates in together}) > 3, "the pictures make no difference"


def test_it_scores_what_a_step_by_step_recomputation_gives(
    speaker: Captioner, reference: Reference, pictures: list[Image.Image]
) -> None:
    params = GenerationParams(num_beams=2, num_captions=2, repetition_penalty=1.4, max_length=9)
    for picture, candidates in zip(pictures[:2], speaker.caption(pictures[:2], params), strict=True):
        for candidate in candidates:
            assert candidate.score == pytest.approx(reference.score(picture, candidate.token_ids), abs=5e-5)
            assert candidate.score == pytest.approx(math.fsum(candidate.token_scores) / len(candidate.token_ids))
            assert len(candidate.token_scores) == len(candidate.token_ids)


def test_it_reads_what_it_prepared_itself(speaker: Captioner, pictures: list[Image.Image]) -> None:
    ready = [speaker.prepare(picture) for picture in pictures[:3]]
    assert all(isinstance(one, Prepared) for one in ready)
    assert speaker.caption(ready, BEAMS) == speaker.caption(pictures[:3], BEAMS)


def test_it_prepares_pictures_in_many_threads(speaker: Captioner, pictures: list[Image.Image]) -> None:
    alone = [speaker.prepare(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(speaker.prepare, pictures))
    for one, other in zip(alone, together, strict=True):
        assert one.arrays.keys() == other.arrays.keys()
        assert all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)


def test_it_takes_parameters_for_each_picture(speaker: Captioner, pictures: list[Image.Image]) -> None:
    each = [BEAMS, GenerationParams(num_beams=1, max_length=6), CHANCE, BEAMS]
    found = speaker.caption(pictures[:4], each)
    alone = [speaker.caption([picture], params)[0] for picture, params in zip(pictures[:4], each, strict=True)]
    assert texts(found) == texts(alone)
    with pytest.raises(ValueError, match="3 pictures but parameters for 4"):
        speaker.caption(pictures[:3], each)


def test_it_counts_one_token_before_the_generated_ones(speaker: Captioner, pictures: list[Image.Image]) -> None:
    found = speaker.caption(pictures, GenerationParams(num_beams=1, max_length=7))
    assert max(len(candidate.token_ids) for [candidate] in found) == 6


def test_it_gives_one_clean_line(speaker: Captioner, pictures: list[Image.Image]) -> None:
    for [candidate] in speaker.caption(pictures, GenerationParams(num_beams=1)):
        assert candidate.text == " ".join(candidate.text.split())
        assert "<" not in candidate.text or not any(name in candidate.text for name in ID)


def test_it_refuses_more_captions_than_the_search_is_wide(speaker: Captioner, pictures: list[Image.Image]) -> None:
    with pytest.raises(ValueError, match="A search 2 wide cannot give 3 captions"):
        speaker.caption(pictures[:1], GenerationParams(num_beams=2, num_captions=3))
    assert speaker.caption([], BEAMS) == []


def test_it_captions_a_picture_that_is_almost_a_line(speaker: Captioner) -> None:
    thin = [Image.new("RGB", (3000, 2), "red"), Image.new("RGB", (1, 400), "blue")]
    assert all(speaker.caption(thin, GenerationParams(num_beams=1)))


def test_it_refuses_a_picture_in_another_mode(speaker: Captioner) -> None:
    with pytest.raises(ValueError, match="this one is L"):
        speaker.prepare(Image.new("L", (8, 8)))


def test_it_makes_every_caption_as_long_as_a_benchmark_asks(speaker: Captioner, pictures: list[Image.Image]) -> None:
    measured: Any = speaker
    measured.min_length = 12
    try:
        found = speaker.caption(pictures, GenerationParams(max_length=12, num_beams=1))
    finally:
        measured.min_length = 0
    assert {len(candidate.token_ids) for [candidate] in found} == {11}


def test_it_says_what_it_is(speaker: Captioner, kind: str) -> None:
    assert (speaker.name, speaker.device, speaker.precision, speaker.is_demo) == (kind, "cpu", "fp32", False)
    assert speaker.revision.startswith("local:")
    has_one_size = kind in {"blip", "git", "blip-2", "florence2"}  # the others tile, or take any size
    assert speaker.side == (SIDE if has_one_size else None)


def test_it_computes_in_half_precision(folder: Path, speaker: Captioner, pictures: list[Image.Image]) -> None:
    params = GenerationParams(num_beams=2, max_length=8)
    half = load(str(folder), device="cpu", precision="bf16").caption(pictures[:4], params)
    whole = speaker.caption(pictures[:4], params)
    assert all(math.isfinite(candidate.score) for [candidate] in half)
    near = [abs(one.score - other.score) < 0.2 for [one], [other] in zip(half, whole, strict=True)]
    assert sum(near) >= 2, "half precision finds nothing alike"


def test_it_halves_a_batch_that_does_not_fit(folder: Path, speaker: Captioner, pictures: list[Image.Image]) -> None:
    tight: Any = load(str(folder), device="cpu")
    whole, sizes = tight._batch, []

    def small(jobs: list[Any], params: GenerationParams) -> list[list[Candidate]]:
        sizes.append(len(jobs))
        if len(jobs) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return list(whole(jobs, params))

    tight._batch = small
    alike = [pictures[0], pictures[0], pictures[0]]
    params = GenerationParams(num_beams=1, max_length=6)
    assert texts(tight.caption(alike, params)) == texts(speaker.caption(alike, params))
    assert sizes == [3, 1, 2, 1, 1]
