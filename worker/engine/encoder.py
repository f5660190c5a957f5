"""The ViT encoder: pixels to one vector a patch.

Source of the architecture: Dosovitskiy et al., An Image is Worth 16x16 Words, 2021, with the weights' names and the
order of steps of transformers' ViTModel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from worker.engine.linear import activation
from worker.engine.weights import Maps, Weights


class Encoder:
    """All weights and the forward pass. `patches` counts the vectors a picture gives, `width` is their length."""

    def __init__(self, weights: Weights, sizes: Mapping[str, Any]) -> None:
        """`sizes` is the encoder's part of config.json. Raises ModelNotVerified for weights that do not fit it."""
        self.width = width = int(sizes.get("hidden_size", 768))
        self.heads = int(sizes.get("num_attention_heads", 12))
        self.patch, self.side = int(sizes.get("patch_size", 16)), int(sizes.get("image_size", 224))
        self.channels = int(sizes.get("num_channels", 3))
        self.patches = (self.side // self.patch) ** 2 + 1
        inner, epsilon = int(sizes.get("intermediate_size", 3072)), float(sizes.get("layer_norm_eps", 1e-12))
        has_bias = bool(sizes.get("qkv_bias", True))
        self._act = activation(str(sizes.get("hidden_act", "gelu")))
        start = "encoder.embeddings"
        self._cls = weights.tensor(f"{start}.cls_token", 1, 1, width)
        self._places = weights.tensor(f"{start}.position_embeddings", 1, self.patches, width)
        projection = f"{start}.patch_embeddings.projection"
        kernel = weights.tensor(f"{projection}.weight", width, self.channels, self.patch, self.patch)
        self._patch_weight = kernel.reshape(width, -1)
        self._patch_bias = weights.tensor(f"{projection}.bias", width)
        self._layers = []
        for number in range(int(sizes.get("num_hidden_layers", 12))):
            layer = f"encoder.encoder.layer.{number}"
            before, after = f"{layer}.layernorm_before", f"{layer}.layernorm_after"
            qkv = tuple(f"{layer}.attention.attention.{part}" for part in ("query", "key", "value"))
            self._layers.append(
                (
                    weights.norm(before, width, epsilon),
                    weights.linear(Maps(qkv, (width, width), after=before), has_bias=has_bias),
                    weights.linear(Maps((f"{layer}.attention.output.dense",), (width, width))),
                    weights.norm(after, width, epsilon),
                    weights.linear(Maps((f"{layer}.intermediate.dense",), (inner, width), after=after)),
                    weights.linear(Maps((f"{layer}.output.dense",), (width, inner))),
                )
            )
        self._last = weights.norm("encoder.layernorm", width, epsilon)

    def __call__(self, pixels: Tensor) -> Tensor:
        """B,channels,side,side -> B,patches,width."""
        batch, across, patch = len(pixels), self.side // self.patch, self.patch
        cut = pixels.view(batch, self.channels, across, patch, across, patch).permute(0, 2, 4, 1, 3, 5)
        rows = torch.nn.functional.linear(
            cut.reshape(batch, across * across, -1), self._patch_weight, self._patch_bias
        )  # B,patches-1,width
        x = torch.cat([self._cls.expand(batch, -1, -1), rows], 1) + self._places
        x = x.view(-1, self.width)  # B*patches,width
        shape = (batch, self.patches, 3, self.heads, self.width // self.heads)
        for before, qkv, out, after, up, down in self._layers:
            q, k, v = qkv(before(x)).view(shape).permute(2, 0, 3, 1, 4)  # each B,heads,patches,size
            attended = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, self.width)
            x = x + out(attended)
            x = x + down(self._act(up(after(x))))
        return self._last(x).view(batch, self.patches, self.width)
