"""What a model folder says about its model, read through an allow-list of plain values.

transformers' own readers follow hints in these files: Python modules to import, kernels to download, adapters and
quantisers to load. Nothing of that is read here, so there is nothing to switch off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from worker.engine.errors import ModelNotVerified, ModelUnsupported

LARGEST_JSON: Final = 1 << 20  # bytes; the published config.json has 4,600
SIZES: Final[Mapping[str, int]] = {
    "hidden_size": 8192,
    "num_hidden_layers": 128,
    "num_attention_heads": 128,
    "intermediate_size": 32768,
    "image_size": 4096,
    "patch_size": 256,
    "num_channels": 3,
    "pooler_output_size": 8192,
    "vocab_size": 1_000_000,
    "n_positions": 32768,
    "n_embd": 8192,
    "n_layer": 128,
    "n_head": 128,
    "n_inner": 32768,
}
PLAIN: Final = frozenset(
    {
        *("hidden_act", "layer_norm_eps", "qkv_bias", "pooler_act"),
        *("activation_function", "layer_norm_epsilon", "scale_attn_weights", "scale_attn_by_inverse_layer_idx"),
        *("reorder_and_upcast_attn", "tie_word_embeddings", "bos_token_id", "eos_token_id"),
    }
)
PUBLISHED: Final = (
    *("max_length", "num_beams", "do_sample", "temperature", "top_k", "top_p", "repetition_penalty"),
    *("no_repeat_ngram_size", "length_penalty", "early_stopping"),
)
CODE_HINTS: Final = frozenset({"auto_map", "trust_remote_code", "custom_pipelines", "custom_generate"})


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A VisionEncoderDecoderModel of a ViT and a GPT-2: the sizes of both, the ids of special tokens, the defaults."""

    encoder: Mapping[str, Any]
    decoder: Mapping[str, Any]
    start: int
    end: int
    pad: int
    defaults: Mapping[str, Any]

    def at_least(self) -> int:
        """Give a lower bound of the number of weights: attention and vocabulary alone, without a library's help."""
        seen, said = self.encoder, self.decoder
        width, inner = seen.get("hidden_size", 768), said.get("n_embd", 768)
        encoder = seen.get("num_hidden_layers", 12) * 4 * width**2
        return int(encoder + said.get("n_layer", 12) * 8 * inner**2 + said.get("vocab_size", 50257) * inner)


def read_json(path: Path, *, largest: int = LARGEST_JSON) -> dict[str, Any]:
    """Read one JSON object of at most `largest` bytes.

    Raises ModelNotVerified for anything else, and for hints that ask to run code.
    """
    try:
        if path.stat().st_size > largest:
            raise ModelNotVerified(f"{path.name} is larger than {largest >> 20} MiB, so it is no settings file.")
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelUnsupported(f"The model folder {path.parent.name} has no {path.name}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelNotVerified(f"{path.name} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelNotVerified(f"{path.name} is not a JSON object.")
    refuse_code(content, path.name)
    return content


def refuse_code(content: Any, name: str) -> None:
    """Raise ModelNotVerified when a settings file, at any depth, asks for the publisher's own code to be run."""
    if isinstance(content, dict):
        if hints := CODE_HINTS & content.keys():
            raise ModelNotVerified(
                f"{name} asks to run the publisher's own code ({', '.join(sorted(hints))}). "
                "Such models are never loaded; choose one that needs no code of its own."
            )
        for value in content.values():
            refuse_code(value, name)
    elif isinstance(content, list):
        for value in content:
            refuse_code(value, name)


def read(folder: Path) -> Blueprint:
    """Read `config.json` and, where there is one, `generation_config.json`.

    Raises ModelUnsupported for other architectures and sizes beyond reason, ModelNotVerified for unsafe files.
    """
    config = read_json(folder / "config.json")
    _refuse_other_kinds(config)
    path = folder / "generation_config.json"
    generation = read_json(path) if path.is_file() else {}
    end = _token(generation, config, "eos_token_id")
    return Blueprint(
        encoder=_allowed(config["encoder"]),
        decoder=_allowed(config["decoder"]) | {"add_cross_attention": True, "is_decoder": True},
        start=_token(generation, config, "decoder_start_token_id", "bos_token_id"),
        end=end,
        pad=_token(generation, config, "pad_token_id", otherwise=end),
        defaults={
            name: value
            for name in PUBLISHED
            if isinstance(value := generation.get(name, config.get(name)), int | float | bool)
        },
    )


def _refuse_other_kinds(config: Mapping[str, Any]) -> None:
    kinds = config.get("architectures") or ["VisionEncoderDecoderModel"]
    parts = [config.get(part) for part in ("encoder", "decoder")]
    inner = [part.get("model_type") if isinstance(part, dict) else None for part in parts]
    if kinds != ["VisionEncoderDecoderModel"] or inner != ["vit", "gpt2"]:
        raise ModelUnsupported(
            f"This model is a {kinds!r} of {inner!r}. This engine runs VisionEncoderDecoderModel with a ViT encoder "
            "and a GPT-2 decoder, such as vit-gpt2."
        )
    if config.get("quantization_config"):
        raise ModelUnsupported("This model is stored quantised. Choose one with plain 16 or 32 bit weights.")


def _allowed(part: Mapping[str, Any]) -> dict[str, Any]:
    for name in SIZES.keys() & part.keys():
        value = part[name]
        if value is not None and (type(value) is not int or not 0 < value <= SIZES[name]):
            raise ModelUnsupported(f"config.json says {name} is {str(value)[:40]}; up to {SIZES[name]} is supported.")
    plain = {name: part[name] for name in PLAIN & part.keys() if isinstance(part[name], int | float | bool | str)}
    return plain | {name: part[name] for name in SIZES.keys() & part.keys()}


def _token(generation: Mapping[str, Any], config: Mapping[str, Any], *names: str, otherwise: int | None = None) -> int:
    for name in names:
        for source in (generation, config, config["decoder"]):
            value = source.get(name)
            if type(value) is int and value >= 0:
                return value
    if otherwise is None:
        raise ModelUnsupported(f"config.json names no {names[0]}, so captions could not begin or end.")
    return otherwise
