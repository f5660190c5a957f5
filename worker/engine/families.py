"""The architectures that transformers' own `generate` runs here, and their settings, read through an allow-list.

A model folder never chooses a class: it names its kind, and the kind is looked up here. What a folder says about sizes
is taken name by name, as plain numbers below a limit; nothing else in its files reaches transformers. Importing this
module is cheap, so that an unsuitable model can be refused before its weights are fetched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from worker.engine import blueprint
from worker.engine.blueprint import PUBLISHED, read_json
from worker.engine.errors import ModelUnsupported

VIT_GPT2: Final = "vision-encoder-decoder"  # runs by itself, without transformers' `generate`
SENTENCE: Final = "Describe this image in one sentence."


@dataclass(frozen=True, slots=True)
class Family:
    """One architecture of transformers.

    `kind` is what `config.json` calls it (`model_type`). `architecture`, `config`, `parts` and `eye` name classes of
    transformers: the model, its settings, the settings nested in them, and what prepares pictures. `language` is the
    kind of the language model inside, where transformers would accept others. `template` is the text the model
    continues, with {image} where the picture's tokens go and {prompt} for `prompt`; empty where the model needs none.
    `half` is the 16 bit form a GPU computes in, where nobody chose another.
    """

    kind: str
    architecture: str
    config: str
    parts: Mapping[str, str]
    eye: str
    language: str = ""
    template: str = ""
    prompt: str = ""
    image_token: str = ""
    half: str = "fp16"


# The templates are written out here, not taken from a model's folder: those are Jinja programs, and running a
# program that came with a download is what this engine promises not to do.
SMOL_TEMPLATE: Final = "<|im_start|>User:{image}{prompt}<end_of_utterance>\nAssistant:"
QWEN_TEMPLATE: Final = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n<|vision_start|>{image}<|vision_end|>{prompt}<|im_end|>\n<|im_start|>assistant\n"
)

IDEFICS3: Final = Family(
    kind="idefics3",
    architecture="Idefics3ForConditionalGeneration",
    config="Idefics3Config",
    parts={"text_config": "LlamaConfig", "vision_config": "Idefics3VisionConfig"},
    eye="Idefics3ImageProcessor",
    language="llama",
    template=SMOL_TEMPLATE,
    prompt=SENTENCE,
    image_token="<image>",  # noqa: S106  # a word of the vocabulary
    half="bf16",  # trained in it; fp16 has a narrower range
)
QWEN2_VL: Final = Family(
    kind="qwen2_vl",
    architecture="Qwen2VLForConditionalGeneration",
    config="Qwen2VLConfig",
    parts={"text_config": "Qwen2VLTextConfig", "vision_config": "Qwen2VLVisionConfig"},
    eye="Qwen2VLImageProcessor",
    template=QWEN_TEMPLATE,
    prompt=SENTENCE,
    image_token="<|image_pad|>",  # noqa: S106  # as above
    half="bf16",  # trained in it; fp16 has a narrower range
)

FAMILIES: Final[Mapping[str, Family]] = {
    family.kind: family
    for family in (
        Family(
            kind="blip",
            architecture="BlipForConditionalGeneration",
            config="BlipConfig",
            parts={"text_config": "BlipTextConfig", "vision_config": "BlipVisionConfig"},
            eye="BlipImageProcessor",
        ),
        Family(
            kind="git",
            architecture="GitForCausalLM",
            config="GitConfig",
            parts={"vision_config": "GitVisionConfig"},
            eye="CLIPImageProcessor",
        ),
        Family(
            kind="blip-2",
            architecture="Blip2ForConditionalGeneration",
            config="Blip2Config",
            parts={
                "text_config": "OPTConfig",
                "vision_config": "Blip2VisionConfig",
                "qformer_config": "Blip2QFormerConfig",
            },
            eye="BlipImageProcessor",
            language="opt",
        ),
        Family(
            kind="florence2",
            architecture="Florence2ForConditionalGeneration",
            config="Florence2Config",
            parts={"text_config": "BartConfig", "vision_config": "Florence2VisionConfig"},
            eye="CLIPImageProcessor",
            language="bart",
            template="{image}<s>{prompt}</s>",
            prompt="What does the image describe?",  # the question it was trained on for short captions
            image_token="<image>",  # noqa: S106  # as above
        ),
        IDEFICS3,
        replace(
            IDEFICS3,
            kind="smolvlm",
            architecture="SmolVLMForConditionalGeneration",
            config="SmolVLMConfig",
            parts={"text_config": "LlamaConfig", "vision_config": "SmolVLMVisionConfig"},
            eye="SmolVLMImageProcessor",
        ),
        QWEN2_VL,
        replace(
            QWEN2_VL,
            kind="qwen2_5_vl",
            architecture="Qwen2_5_VLForConditionalGeneration",
            config="Qwen2_5_VLConfig",
            parts={"text_config": "Qwen2_5_VLTextConfig", "vision_config": "Qwen2_5_VLVisionConfig"},
        ),
    )
}

SIZES: Final[Mapping[str, int]] = {
    **blueprint.SIZES,
    **dict.fromkeys(("d_model", "embed_dim", "word_embed_proj_dim", "encoder_hidden_size", "projection_dim"), 8192),
    **dict.fromkeys(("out_hidden_size", "image_text_hidden_size"), 8192),
    **dict.fromkeys(("ffn_dim", "encoder_ffn_dim", "decoder_ffn_dim"), 32768),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "depth", "depths", "max_window_layers"), 128),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads", "num_key_value_heads"), 128),
    **dict.fromkeys(("num_heads", "num_groups", "fullatt_block_indexes", "cross_attention_frequency"), 128),
    **dict.fromkeys(("spatial_merge_size", "temporal_patch_size", "scale_factor", "num_image_with_embedding"), 16),
    **dict.fromkeys(("patch_stride", "patch_padding", "mlp_ratio"), 64),
    **dict.fromkeys(("head_dim", "num_query_tokens", "tokens_per_second", "max_temporal_embeddings"), 1024),
    **dict.fromkeys(("max_position_embeddings", "sliding_window"), 1 << 20),
    "window_size": 4096,
    "in_channels": 3,
}
MAY_BE_ZERO: Final = frozenset({"patch_padding", "fullatt_block_indexes", "max_window_layers"})
MOST_PATCHES: Final = 128  # a side: attention over more would take minutes for one picture
MANY: Final = 32  # numbers in a list, such as one for each stage of a model
FRACTIONS: Final = frozenset({"layer_norm_eps", "rms_norm_eps"})
SWITCHES: Final = frozenset(
    {
        *("qkv_bias", "attention_bias", "mlp_bias", "enable_bias", "tie_word_embeddings", "scale_embedding"),
        *("do_layer_norm_before", "_remove_final_layer_norm", "layer_norm_elementwise_affine", "patch_prenorm"),
        *("use_sliding_window", "use_qformer_text_input"),
    }
)
ACTIVATIONS: Final = frozenset({"gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu"})
ACTIVATION_NAMES: Final = frozenset({"hidden_act", "activation_function"})
TOKENS: Final = frozenset(
    {
        *("bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "decoder_start_token_id"),
        *("image_token_id", "image_token_index", "video_token_id", "vision_start_token_id", "vision_end_token_id"),
    }
)
LARGEST_TOKEN: Final = SIZES["vocab_size"]
ROPE: Final = ("rope_parameters", "rope_scaling")
ROPE_KINDS: Final = {"default": "default", "mrope": "default", "axial": "axial"}  # the second: today's name
LARGEST_THETA: Final = 1e9


@dataclass(frozen=True, slots=True)
class Plan:
    """What a folder says of its model, cleaned.

    `settings` are plain values of the outermost configuration, `parts` those of the nested ones by their names.
    `ends` are the ids of the tokens that end a caption, empty where only the configuration knows; `tokens` further ids
    that `generation_config.json` names; `defaults` the generation parameters it recommends.
    """

    family: Family
    settings: Mapping[str, Any]
    parts: Mapping[str, Mapping[str, Any]]
    ends: tuple[int, ...]
    tokens: Mapping[str, int]
    defaults: Mapping[str, Any]


def family_of(folder: Path) -> Family | None:
    """Say which family a model folder belongs to; None for a ViT-GPT2.

    Raises ModelUnsupported for a kind that no captioner here runs, ModelNotVerified for an unsafe `config.json`.
    """
    config = read_json(folder / "config.json")
    kind, named = config.get("model_type", VIT_GPT2), config.get("architectures")
    if kind == VIT_GPT2:
        return None
    family = FAMILIES.get(kind) if isinstance(kind, str) else None
    if family is None or (named and named != [family.architecture]):
        known = ", ".join(sorted({VIT_GPT2, *FAMILIES}))
        raise ModelUnsupported(
            f"This model is a {str(named or kind)[:80]} of the kind {str(kind)[:40]!r}. This engine writes captions "
            f"with the kinds {known}, each in the form that is made for describing a picture."
        )
    return family


def read(folder: Path, family: Family) -> Plan:
    """Read `config.json` and, where there is one, `generation_config.json`.

    Raises ModelUnsupported for sizes beyond reason and values of another type, ModelNotVerified for unsafe files.
    """
    config = read_json(folder / "config.json")
    if config.get("quantization_config"):
        raise ModelUnsupported("This model is stored quantised. Choose one with plain 16 or 32 bit weights.")
    if not (folder / "tokenizer.json").is_file():
        raise ModelUnsupported(f"The model folder {folder.name} has no tokenizer.json, which a {family.kind} needs.")
    path = folder / "generation_config.json"
    generation = read_json(path) if path.is_file() else {}
    ends = _ids(generation, "eos_token_id") or _ids(config, "eos_token_id")
    named = {name: _ids(generation, name) for name in ("pad_token_id", "bos_token_id", "forced_bos_token_id")}
    return Plan(
        family=family,
        settings=plain(config),
        parts={name: _part(config, name, family) for name in family.parts},
        ends=ends,
        tokens={name: ids[0] for name, ids in named.items() if ids},
        defaults={
            name: value
            for name in PUBLISHED
            if isinstance(value := generation.get(name, config.get(name)), int | float | bool)
        },
    )


def plain(section: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the values of one section of `config.json` that are known by name and plain; drop every other name.

    Raises ModelUnsupported when a known name holds a value of another type or beyond its limit.
    """
    kept = {name: section[name] for name in SIZES.keys() & section.keys() if _size(name, section[name])}
    kept |= {name: section[name] for name in FRACTIONS & section.keys() if _fraction(name, section[name])}
    kept |= {name: section[name] for name in SWITCHES & section.keys() if _switch(section[name])}
    kept |= {name: _activation(name, section[name]) for name in ACTIVATION_NAMES & section.keys()}
    kept |= {name: ids[0] for name in TOKENS & section.keys() if (ids := _ids(section, name))}
    return kept | _rope(section)


def _part(config: Mapping[str, Any], name: str, family: Family) -> dict[str, Any]:
    part = config.get(name)
    if part is None and name == "text_config":
        part = config  # the first Qwen-VL files hold the language model's sizes beside the others
    if not isinstance(part, dict):
        raise ModelUnsupported(f"config.json has no {name}, which a {family.kind} needs.")
    inner = part.get("model_type", family.language)
    if name == "text_config" and family.language and inner != family.language:
        raise ModelUnsupported(
            f"The language model inside is a {str(inner)[:40]!r}; of {family.kind} this engine runs those with "
            f"{family.language!r} inside."
        )
    kept = plain(part)
    side, patch = kept.get("image_size"), kept.get("patch_size")
    if type(side) is int and type(patch) is int and side > MOST_PATCHES * patch:
        raise ModelUnsupported(f"config.json cuts pictures into more than {MOST_PATCHES} patches a side.")
    return kept


def _size(name: str, value: Any) -> bool:
    numbers = value if isinstance(value, list) and len(value) <= MANY else [value]
    if value is None or value == []:
        return name == "num_key_value_heads"  # there, none means as many as heads
    least = 0 if name in MAY_BE_ZERO else 1
    for number in numbers:
        whole = type(number) is int or (type(number) is float and name == "mlp_ratio" and math.isfinite(number))
        if not whole or not least <= number <= SIZES[name]:
            raise ModelUnsupported(f"config.json says {name} is {str(value)[:40]}; up to {SIZES[name]} is supported.")
    return True


def _fraction(name: str, value: Any) -> bool:
    if type(value) is not float or not 0 < value < 1:
        raise ModelUnsupported(f"config.json says {name} is {str(value)[:40]}; it must lie between 0 and 1.")
    return True


def _switch(value: Any) -> bool:
    return all(type(one) is bool for one in (value if isinstance(value, list) else [value]))


def _activation(name: str, value: Any) -> str:
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise ModelUnsupported(f"config.json says {name} is {str(value)[:40]!r}, which this engine does not know.")
    return str(value)


def _ids(section: Mapping[str, Any], name: str) -> tuple[int, ...]:
    value = section.get(name)
    if value is None:
        return ()
    numbers: list[Any] = value if isinstance(value, list) else [value]
    if len(numbers) > MANY or not all(type(one) is int and -1 <= one <= LARGEST_TOKEN for one in numbers):
        raise ModelUnsupported(f"config.json says {name} is {str(value)[:40]}, which is no token.")
    return tuple(one for one in numbers if one >= 0)


def _rope(section: Mapping[str, Any]) -> dict[str, Any]:
    """Read how positions turn the attention: by one angle (`default`) or one for each of time, height and width."""
    given: dict[str, Any] = next((section[name] for name in ROPE if isinstance(section.get(name), dict)), {})
    theta = given.get("rope_theta", section.get("rope_theta"))
    kind = str(given.get("rope_type", given.get("type", "default")))
    if kind not in ROPE_KINDS or not (theta is None or (type(theta) in {int, float} and 1 <= theta <= LARGEST_THETA)):
        raise ModelUnsupported("config.json turns positions in a way this engine does not know.")
    parameters: dict[str, Any] = {} if theta is None else {"rope_theta": float(theta)}
    if (axes := given.get("mrope_section")) is not None:
        if not (isinstance(axes, list) and len(axes) == 3 and all(type(a) is int and 0 < a <= 512 for a in axes)):
            raise ModelUnsupported("config.json turns positions in a way this engine does not know.")
        parameters["mrope_section"] = axes
    return {"rope_parameters": parameters | {"rope_type": ROPE_KINDS[kind]}} if parameters else {}
