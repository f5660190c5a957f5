"""Small random checkpoints of every architecture that transformers' own `generate` runs, as transformers saves them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    BartConfig,
    Blip2Config,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    BlipConfig,
    Florence2Config,
    GitConfig,
    Idefics3Config,
    LlamaConfig,
    OPTConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2VLConfig,
    SmolVLMConfig,
)

from tests.engine.checkpoints import END, END_ID, MERGES, SIDE, vocabulary, write_json

SPECIAL = (
    *("<s>", "</s>", "<image>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"),
    *("<|video_pad|>", "<end_of_utterance>", "<fake_token_around_image>", "<global-img>"),
    *(f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)),
)
ID = {name: END_ID + 1 + number for number, name in enumerate(SPECIAL)} | {END: END_ID}
WORDS = END_ID + 1 + len(SPECIAL)
TEXT: dict[str, Any] = {"vocab_size": WORDS, "pad_token_id": END_ID}
NARROW: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
SEEN: dict[str, Any] = {**NARROW, "image_size": SIDE, "patch_size": 8}
LLAMA = LlamaConfig(**TEXT, **NARROW, bos_token_id=ID["<|im_start|>"], eos_token_id=ID["<end_of_utterance>"])
STATISTICS = {"image_mean": [0.5, 0.4, 0.45], "image_std": [0.25, 0.3, 0.27], "rescale_factor": 1 / 255}
STEPS = {"do_resize": True, "do_rescale": True, "do_normalize": True, "resample": 3, **STATISTICS}
SQUARE = {**STEPS, "size": {"height": SIDE, "width": SIDE}}


def blip() -> Any:
    text = {**TEXT, **NARROW, "bos_token_id": ID["<s>"], "sep_token_id": END_ID, "max_position_embeddings": 64}
    return BlipConfig(text_config=text, vision_config=SEEN)


def git() -> Any:
    return GitConfig(**TEXT, **NARROW, vision_config=SEEN, bos_token_id=ID["<s>"], eos_token_id=END_ID)


def blip2() -> Any:
    text = OPTConfig(
        **TEXT,
        hidden_size=32,
        ffn_dim=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        word_embed_proj_dim=32,
        bos_token_id=ID["</s>"],
        eos_token_id=END_ID,
        max_position_embeddings=64,
    )
    return Blip2Config(
        text_config=text,
        vision_config=Blip2VisionConfig(**SEEN),
        qformer_config=Blip2QFormerConfig(**NARROW, vocab_size=40),
        num_query_tokens=4,
        image_token_index=ID["<image>"],
    )


def florence2() -> Any:
    text = BartConfig(
        **TEXT,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        max_position_embeddings=128,
        bos_token_id=ID["<s>"],
        eos_token_id=ID["</s>"],
        decoder_start_token_id=ID["</s>"],
        forced_eos_token_id=None,
    )
    vision = {
        "depths": [1, 1],
        "patch_size": [7, 3],
        "patch_stride": [4, 2],
        "patch_padding": [3, 1],
        "patch_prenorm": [False, True],
        "embed_dim": [16, 32],
        "num_heads": [2, 4],
        "num_groups": [2, 4],
        "window_size": 4,
        "projection_dim": 32,
    }
    return Florence2Config(text_config=text, vision_config=vision, image_token_id=ID["<image>"])


def idefics3() -> Any:
    return Idefics3Config(text_config=LLAMA, vision_config=SEEN, image_token_id=ID["<image>"], scale_factor=2)


def smolvlm() -> Any:
    return SmolVLMConfig(text_config=LLAMA, vision_config=SEEN, image_token_id=ID["<image>"], scale_factor=2)


def qwen(kind: Any, vision: dict[str, Any]) -> Any:
    axes = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    text = {
        **TEXT,
        **NARROW,
        "num_key_value_heads": 1,
        "rope_parameters": axes,
        "bos_token_id": END_ID,
        "eos_token_id": ID["<|im_end|>"],
        "max_position_embeddings": 512,
    }
    seen = {"depth": 2, "num_heads": 2, "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2} | vision
    return kind(
        text_config=text,
        vision_config=seen,
        image_token_id=ID["<|image_pad|>"],
        video_token_id=ID["<|video_pad|>"],
        vision_start_token_id=ID["<|vision_start|>"],
        vision_end_token_id=ID["<|vision_end|>"],
    )


def qwen2_vl() -> Any:
    return qwen(Qwen2VLConfig, {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2})


def qwen2_5_vl() -> Any:
    vision = {"hidden_size": 32, "intermediate_size": 48, "out_hidden_size": 32, "window_size": 32}
    return qwen(Qwen2_5_VLConfig, vision | {"fullatt_block_indexes": [1]})


TILES = {**STEPS, "size": {"longest_edge": 2 * SIDE}, "max_image_size": {"longest_edge": SIDE}, "resample": 1}
FREE = {**STEPS, "min_pixels": 16 * 16 * 2, "max_pixels": 16 * 16 * 12, "patch_size": 8, "merge_size": 2}
CROP = {**STEPS, "size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}, "do_center_crop": True}
KINDS: dict[str, tuple[Callable[[], Any], str, dict[str, Any]]] = {
    "blip": (blip, "BlipForConditionalGeneration", {**SQUARE, "image_processor_type": "BlipImageProcessor"}),
    "git": (git, "GitForCausalLM", {**CROP, "image_processor_type": "CLIPImageProcessor"}),
    "blip-2": (blip2, "Blip2ForConditionalGeneration", {**SQUARE, "image_processor_type": "BlipImageProcessor"}),
    "florence2": (
        florence2,
        "Florence2ForConditionalGeneration",
        {**SQUARE, "image_processor_type": "CLIPImageProcessorFast", "do_center_crop": False},
    ),
    "idefics3": (
        idefics3,
        "Idefics3ForConditionalGeneration",
        {**TILES, "image_processor_type": "Idefics3ImageProcessor", "do_image_splitting": True},
    ),
    "smolvlm": (
        smolvlm,
        "SmolVLMForConditionalGeneration",
        {**TILES, "image_processor_type": "SmolVLMImageProcessor", "do_image_splitting": False},
    ),
    "qwen2_vl": (
        qwen2_vl,
        "Qwen2VLForConditionalGeneration",
        {**FREE, "image_processor_type": "Qwen2VLImageProcessor", "temporal_patch_size": 2},
    ),
    "qwen2_5_vl": (
        qwen2_5_vl,
        "Qwen2_5_VLForConditionalGeneration",
        {**FREE, "image_processor_type": "Qwen2VLImageProcessor", "temporal_patch_size": 2},
    ),
}


def tokenizer() -> PreTrainedTokenizerFast:
    """All bytes, a few merged pieces, and every special token that a template names."""
    core = Tokenizer(models.BPE(vocab=vocabulary(), merges=MERGES))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(END, special=True)])
    core.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token=END, pad_token=END
    )


def family_checkpoint(folder: Path, kind: str, *, seed: int = 3, spread: float = 0.3) -> Path:
    """Write a model folder of one family. Wide random weights make clear favourites, and captions that differ."""
    describe, architecture, pictures = KINDS[kind]
    torch.manual_seed(seed)
    model = getattr(transformers, architecture)(describe()).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0, spread)
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", pictures)
    return folder
