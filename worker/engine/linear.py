"""The linear maps of a model, in the form in which each device and precision computes them fastest.

Every form for a CPU keeps one promise: a row's result has the same bits alone and among any other rows. That is why
`torch.nn.functional.linear` is not used there (its library sums in another order for other numbers of rows), and why
int8 scales each row of activations by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

TINY: Final = 1e-12  # in place of the largest magnitude of a row of noughts
MIDDLE: Final = 128  # of unsigned bytes
WEIGHT_STEPS: Final = 127  # int8 weights run from -127 to 127

Linear = Callable[[Tensor], Tensor]  # N,inputs -> N,outputs


class Plain:
    """A matrix product of torch, for CUDA."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """`weight` is outputs,inputs."""
        self.weight, self.bias, self.outputs = weight.contiguous(), bias, len(weight)

    def __call__(self, rows: Tensor) -> Tensor:
        """N,inputs -> N,outputs."""
        return torch.nn.functional.linear(rows, self.weight, self.bias)


class Packed:
    """fp32 weights in oneDNN's blocked layout, on a CPU."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """`weight` is outputs,inputs; it is copied."""
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
        self.bias, self.outputs = bias, len(weight)

    def __call__(self, rows: Tensor) -> Tensor:
        """N,inputs -> N,outputs."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, "none", [], "")
        return product


class Halved(Packed):
    """bf16 weights in oneDNN's blocked layout, on a CPU. Takes and gives fp32, multiplies in bf16, sums in fp32."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """`weight` is outputs,inputs; it is copied."""
        super().__init__(weight.to(torch.bfloat16), None if bias is None else bias.to(torch.bfloat16))

    def __call__(self, rows: Tensor) -> Tensor:
        """N,inputs -> N,outputs."""
        return super().__call__(rows.to(torch.bfloat16)).float()


def has_vnni() -> bool:
    """Say whether this CPU multiplies bytes and sums them in 32 bits in one instruction."""
    return bool(torch.cpu._is_vnni_supported())


class Quantised:
    """int8 weights with one scale an output, int8 activations with one scale a row, on a CPU.

    One scale for all rows of a call, as torch's dynamic quantisation has it, would make a caption depend on the
    loudest of its neighbours in the batch.
    """

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        """`weight` is int8, outputs,inputs; `scale` fp32, outputs: what one step of each output's weights is worth."""
        # Without VNNI two products are summed in 16 bits before they are widened: 127 steps would overflow there.
        self.steps = steps = 127 if has_vnni() else 63
        self.weight = torch.ops.onednn.qlinear_prepack(weight.contiguous(), None)
        self.scale, self.outputs = scale.contiguous() / steps, len(scale)
        self.nought = torch.zeros(len(scale), dtype=torch.int32)
        self.bias = torch.zeros(len(scale)) if bias is None else bias.float()

    def __call__(self, rows: Tensor) -> Tensor:
        """N,inputs -> N,outputs."""
        loudest = rows.abs().amax(1, keepdim=True).clamp_min_(TINY)  # N,1
        signed = (rows * (self.steps / loudest)).round_().to(torch.int8)
        # oneDNN is quick with unsigned bytes only. Turning the top bit adds 128, without torch's slow cast to uint8.
        unsigned = signed.bitwise_xor_(-128).view(torch.uint8)
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            unsigned, 1.0, MIDDLE, self.weight, self.scale, self.nought,
            None, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        return torch.addcmul(self.bias, product, loudest)


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Turn fp32 weights (outputs,inputs) into int8 weights and one fp32 scale an output."""
    scale = weight.abs().amax(1).clamp_min(TINY) / WEIGHT_STEPS
    return (weight / scale[:, None]).round_().to(torch.int8), scale


class Norm:
    """A layer normalisation over the last dimension.

    While `loudest` is a tensor (width), it collects the largest magnitude that each channel of the result has had.
    """

    def __init__(self, weight: Tensor, bias: Tensor, epsilon: float) -> None:
        """`weight` and `bias` are of the width."""
        self.weight, self.bias, self.epsilon = weight, bias, epsilon
        self.loudest: Tensor | None = None

    def __call__(self, rows: Tensor) -> Tensor:
        """N,width -> N,width."""
        result = torch.nn.functional.layer_norm(rows, self.weight.shape, self.weight, self.bias, self.epsilon)
        if self.loudest is not None:
            self.loudest = torch.maximum(self.loudest, result.abs().amax(0))
        return result


ACTIVATIONS: Final = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}  # how each is approximated


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """Give the function that a config names. Raises KeyError for one that this engine does not have."""
    if name == "relu":
        return lambda rows: rows.relu()
    approximate = ACTIVATIONS[name]

    def gelu(rows: Tensor) -> Tensor:
        result: Tensor = torch.nn.functional.gelu(rows, approximate=approximate)
        return result

    return gelu
