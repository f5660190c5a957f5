"""Small random checkpoints, in the layout transformers 5 writes and in that of the published repository of 2022."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GPT2Config,
    PreTrainedTokenizerFast,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
)

END = "<|endoftext|>"
MERGES = [("t", "h"), ("i", "n"), ("a", "n"), ("\u0120", "a"), ("\u0120", "th"), ("\u0120th", "e"), ("in", "g")]
SIDE = 32


def vocabulary() -> dict[str, int]:
    """All bytes, a few merged pieces, and the end token last: 264 tokens, as GPT-2 orders its 50,257."""
    tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in MERGES), END]
    return {token: number for number, token in enumerate(tokens)}


END_ID = len(vocabulary()) - 1


def modern_checkpoint(folder: Path, *, seed: int = 1, dtype: torch.dtype = torch.float32, **decoder: Any) -> Path:
    """Write a model folder as transformers 5 does. Wide random weights make clear favourites, and captions that end."""
    model = random_model(seed, **decoder).to(dtype)
    model.save_pretrained(folder)
    core = Tokenizer(models.BPE(vocab=vocabulary(), merges=MERGES))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=END, eos_token=END, unk_token=END, pad_token=END
    ).save_pretrained(folder)
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "ViTImageProcessor",
            "do_resize": True,
            "do_rescale": True,
            "do_normalize": True,
            "size": {"height": SIDE, "width": SIDE},
            "resample": 2,
            "rescale_factor": 1 / 255,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
        },
    )
    return folder


def published_checkpoint(folder: Path, modern: Path) -> Path:
    """Write the model of `modern` as the published repository holds it.

    Pickled weights with the old names, tied weights twice, causal masks among them; the preprocessor of the old kind;
    GPT-2's tokenizer as vocab.json and merges.txt; no generation_config.json; old settings in config.json.
    """
    folder.mkdir(parents=True)
    config = json.loads((modern / "config.json").read_text())
    config |= {"bos_token_id": END_ID, "torch_dtype": "float32", "transformers_version": None}
    config["decoder"] |= {"n_ctx": 64, "architectures": ["GPT2LMHeadModel"], "max_length": 20, "num_beams": 1}
    config["encoder"] |= {"_name_or_path": "google/vit-base-patch16-224-in21k", "architectures": ["ViTModel"]}
    config["encoder"]["torch_dtype"] = "float32"
    config.pop("dtype", None)
    write_json(folder / "config.json", config)
    write_json(
        folder / "preprocessor_config.json",
        {
            "do_normalize": True,
            "do_resize": True,
            "feature_extractor_type": "ViTFeatureExtractor",
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "resample": 2,
            "size": SIDE,
        },
    )
    write_json(folder / "vocab.json", vocabulary())
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in MERGES))
    special = {"bos_token": END, "eos_token": END, "unk_token": END, "pad_token": END}
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        special | {"add_prefix_space": False, "model_max_length": 1024, "tokenizer_class": "GPT2Tokenizer"},
    )
    torch.save(published_state(modern), folder / "pytorch_model.bin")
    return folder


def published_state(modern: Path) -> dict[str, torch.Tensor]:
    """Give the weights under their old names, with what old checkpoints carry besides."""
    state = load_file(modern / "model.safetensors")
    assert any(name.startswith("encoder.encoder.layer.0.attention.attention.query") for name in state)
    state["decoder.lm_head.weight"] = state["decoder.transformer.wte.weight"]
    for part in ("attn", "crossattention"):
        for layer in range(2):
            name = f"decoder.transformer.h.{layer}.{part}"
            state[f"{name}.bias"] = torch.tril(torch.ones(64, 64, dtype=torch.uint8)).view(1, 1, 64, 64)
            state[f"{name}.masked_bias"] = torch.tensor(-10000.0)
    return state


def random_model(seed: int, **decoder: Any) -> VisionEncoderDecoderModel:
    """A ViT and a GPT-2 of 2 layers and width 32, with weights wide enough that captions differ between pictures."""
    torch.manual_seed(seed)
    encoder = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=SIDE,
        patch_size=8,
        initializer_range=0.2,
    )
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "initializer_range": 0.4} | decoder
    text = GPT2Config(
        vocab_size=END_ID + 1,
        bos_token_id=END_ID,
        eos_token_id=END_ID,
        add_cross_attention=True,
        is_decoder=True,
        **sizes,
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, text)
    config.decoder_start_token_id = config.pad_token_id = config.eos_token_id = END_ID
    model = VisionEncoderDecoderModel(config).eval()
    for name in ("decoder_start_token_id", "bos_token_id", "pad_token_id", "eos_token_id"):
        setattr(model.generation_config, name, END_ID)
    return model


def copy_of(folder: Path, target: Path) -> Path:
    """Copy a checkpoint, so that a test may spoil it."""
    return Path(shutil.copytree(folder, target))


def edit_json(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file."""
    write_json(path, json.loads(path.read_text()) | changes)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2))
