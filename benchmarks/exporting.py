"""A transformers ViT-GPT2 as three graphs that other runtimes compute: the encoder, what it gives to every sentence,
and one step of the decoder.

The step is transformers' own: the sentences of a picture are its sequence, all at one place, and a mask says which
slots of the cache each of them sees. So beams share the picture's keys and values, and no cache is ever reordered.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache, VisionEncoderDecoderModel

GRAPHS: Final = ("encoder", "cross", "step")
OPSET: Final = 18
Pairs = Sequence[tuple[Tensor, Tensor]]  # keys and values of each layer


class Encoder(nn.Module):
    """Pixels (B,C,H,W) to what the decoder looks at (B,patches,width)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder = model.encoder
        self.bridge = getattr(model, "enc_to_dec_proj", nn.Identity())

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode a batch."""
        hidden: Tensor = self.bridge(self.encoder(pixels).last_hidden_state)
        return hidden


class Cross(nn.Module):
    """The encoder's result to keys and values of each layer, each B,heads,patches,size."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.layers = nn.ModuleList(block.crossattention for block in model.decoder.transformer.h)

    def forward(self, hidden: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Project a batch."""
        found = []
        for layer in self.layers:
            halves = layer.c_attn(hidden).split(layer.split_size, dim=2)
            keys, values = (half.unflatten(-1, (layer.num_heads, layer.head_dim)).transpose(1, 2) for half in halves)
            found.append((keys, values))
        return found


class Step(nn.Module):
    """One more token of each sentence to the logits of the next, and the grown cache."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(
        self, tokens: Tensor, place: Tensor, mask: Tensor, cross: Pairs, own: Pairs
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Read tokens (B,R) at `place` (1); `mask` (B,R,slots+R, bool) says which slots each sentence sees."""
        seen = torch.where(mask, 0.0, torch.finfo(torch.float32).min)
        cache = EncoderDecoderCache(DynamicCache(own), DynamicCache(cross))
        found = self.decoder(
            input_ids=tokens,
            position_ids=torch.zeros_like(tokens) + place,
            attention_mask=seen.unsqueeze(1),
            encoder_hidden_states=cross[0][0][:, 0],  # only its length is read: the keys are in the cache
            past_key_values=cache,
            use_cache=True,
        )
        return found.logits, [(layer.keys, layer.values) for layer in cache.self_attention_cache.layers]


def plain_model(checkpoint: Path) -> Any:
    """Load the checkpoint as transformers does by itself, in fp32."""
    model = VisionEncoderDecoderModel.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="eager")
    return model.eval()


def export(model: Any, folder: Path) -> None:
    """Write the three graphs as ONNX files named by GRAPHS."""
    seen, said = model.config.encoder, model.config.decoder
    layers, heads, size = said.n_layer, said.n_head, said.n_embd // said.n_head
    patches = (seen.image_size // seen.patch_size) ** 2 + 1
    batch, rows, slots = 2, 3, 5  # of the examples: no size may be taken for a fixed 0 or 1
    head = model.decoder.lm_head
    head.weight = nn.Parameter(head.weight.detach().clone())  # untied: int8 turns matrices, not tables of words

    def pairs(length: int) -> list[tuple[Tensor, Tensor]]:
        shape = (batch, heads, length, size)
        return [(torch.randn(shape), torch.randn(shape)) for _ in range(layers)]

    free, some = torch.export.Dim.DYNAMIC, {0: torch.export.Dim.DYNAMIC}
    grown = {0: free, 2: free}
    pixels = torch.randn(batch, seen.num_channels, seen.image_size, seen.image_size)
    hidden = torch.randn(batch, patches, said.n_embd)
    step = (
        torch.ones(batch, rows, dtype=torch.int64),
        torch.tensor([slots]),
        torch.ones(batch, rows, slots + rows, dtype=torch.bool),
        pairs(patches),
        pairs(slots),
    )
    both = {0: free, 1: free}
    shapes = (both, None, both | {2: free}, [(some, some)] * layers, [(grown, grown)] * layers)
    _export(Encoder(model), (pixels,), folder / "encoder.onnx", ["pixels"], ["hidden"], (some,))
    _export(Cross(model), (hidden,), folder / "cross.onnx", ["hidden"], names("cross", layers), (some,))
    _export(
        Step(model),
        step,
        folder / "step.onnx",
        ["tokens", "place", "mask", *names("cross", layers), *names("own", layers)],
        ["logits", *names("grown", layers)],
        shapes,
    )


def names(of: str, layers: int) -> list[str]:
    """Name keys and values of each layer, in order."""
    return [f"{of}.{layer}.{part}" for layer in range(layers) for part in ("keys", "values")]


def _export(
    module: nn.Module, example: tuple[Any, ...], path: Path, inputs: list[str], outputs: list[str], shapes: Any
) -> None:
    with torch.inference_mode():
        torch.onnx.export(
            module.eval(),
            example,
            path,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
