"""The demo model's parts: the words it has, its size, and the folder it is kept in.

The classes are those of the published ViT-GPT2 captioner: a ViT encoder and a GPT-2 decoder with cross-attention in a
VisionEncoderDecoderModel. Words are whole phrases, so that the longest caption fits into 16 tokens, the published
model's default length.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import (
    GenerationConfig,
    GPT2Config,
    PreTrainedTokenizerFast,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
)

from worker.demo.scenes import BACKGROUNDS, COLOURS, RELATIONS, SHAPES, SIZES

PAD, START, END, UNKNOWN = 0, 1, 2, 3
SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")
PHRASES = (
    *(f"a {size}" for size in SIZES),
    *COLOURS,
    *SHAPES,
    *RELATIONS,
    "and",
    *(f"on a {background} background" for background in BACKGROUNDS),
)
VOCABULARY = {phrase: number for number, phrase in enumerate((*SPECIAL, *PHRASES))}
LONGEST = 14  # tokens of a caption of three shapes with its end mark; the start mark makes 15
MAX_LENGTH = 16
NUM_BEAMS = 4


@dataclass(frozen=True, slots=True)
class Dimensions:
    """How large the model is; lengths of a picture in pixels."""

    image: int = 80
    patch: int = 10
    hidden: int = 192
    heads: int = 4
    encoder_layers: int = 6
    decoder_layers: int = 3

    @property
    def grid(self) -> int:
        """Patches along one side."""
        return self.image // self.patch


def build_model(dimensions: Dimensions) -> VisionEncoderDecoderModel:
    """Make the model with random weights, drawn from torch's global generator."""
    encoder = ViTConfig(
        image_size=dimensions.image,
        patch_size=dimensions.patch,
        hidden_size=dimensions.hidden,
        num_hidden_layers=dimensions.encoder_layers,
        num_attention_heads=dimensions.heads,
        intermediate_size=4 * dimensions.hidden,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    decoder = GPT2Config(
        vocab_size=len(VOCABULARY),
        n_positions=MAX_LENGTH,
        n_embd=dimensions.hidden,
        n_layer=dimensions.decoder_layers,
        n_head=dimensions.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        is_decoder=True,
        add_cross_attention=True,
        bos_token_id=START,
        eos_token_id=END,
        pad_token_id=PAD,
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.bos_token_id = START, START
    config.eos_token_id, config.pad_token_id = END, PAD
    return VisionEncoderDecoderModel(config=config)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Make the tokenizer: one token a phrase, joined by spaces when read back."""
    core = Tokenizer(WordLevel(VOCABULARY, unk_token=SPECIAL[UNKNOWN]))
    longest_first = sorted(PHRASES, key=len, reverse=True)
    core.pre_tokenizer = Split(Regex(rf"\b(?:{'|'.join(longest_first)})\b|[^\s]+"), behavior="removed", invert=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=SPECIAL[PAD],
        bos_token=SPECIAL[START],
        eos_token=SPECIAL[END],
        unk_token=SPECIAL[UNKNOWN],
        clean_up_tokenization_spaces=False,
        model_max_length=MAX_LENGTH,
    )


def encode(tokenizer: PreTrainedTokenizerFast, caption: str) -> list[int]:
    """Token ids of a caption with its end mark, filled up to LONGEST with PAD."""
    ids = [*tokenizer.encode(caption, add_special_tokens=False), END]
    if len(ids) > LONGEST or UNKNOWN in ids:
        raise ValueError(f"not a caption of this model: {caption!r}")
    return ids + [PAD] * (LONGEST - len(ids))


def export(model: VisionEncoderDecoderModel, folder: Path) -> None:
    """Write the folder that the engine loads, in the layout of the published model, with weights as float16."""
    folder.mkdir(parents=True, exist_ok=True)
    model.generation_config = GenerationConfig(
        max_length=MAX_LENGTH,
        num_beams=NUM_BEAMS,
        decoder_start_token_id=START,
        bos_token_id=START,
        eos_token_id=END,
        pad_token_id=PAD,
    )
    half = {name: value.to(torch.float16).contiguous() for name, value in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=half)
    _amend(folder / "config.json", {"dtype": "float32"})  # computed in float32; float16 is only how it is stored
    build_tokenizer().save_pretrained(folder)
    _write(folder / "preprocessor_config.json", _preprocessor(model.config.encoder.image_size))


def _preprocessor(side: int) -> dict[str, Any]:
    return {
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "ViTFeatureExtractor",
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 2,
        "size": side,
    }


def _amend(path: Path, values: dict[str, Any]) -> None:
    _write(path, {**json.loads(path.read_text(encoding="utf-8")), **values})


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
