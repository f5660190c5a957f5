"""A model's weights, read by name from one safetensors file that is mapped, not read into memory a second time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from worker.engine.devices import DTYPES
from worker.engine.errors import ModelNotVerified
from worker.engine.linear import Halved, Linear, Norm, Packed, Plain, Quantised, quantise

STEPS: Final = ".int8"  # what a name ends with where the file holds int8 weights, and their scales
SCALE: Final = ".scale"


@dataclass(frozen=True, slots=True)
class Maps:
    """Linear maps that are computed side by side: their names without `.weight`, and outputs,inputs of each.

    `is_transposed` says that the file holds inputs,outputs, as GPT-2's do. `after` names the normalisation whose
    result they read, "" where it is something else.
    """

    names: tuple[str, ...]
    shape: tuple[int, int]
    is_transposed: bool = False
    after: str = ""

    @property
    def stored(self) -> tuple[int, int]:
        """The shape in the file."""
        return (self.shape[1], self.shape[0]) if self.is_transposed else self.shape


class Weights:
    """Tensors by name, on one device and in one precision.

    `folds` are factors by which channels are made quieter after a normalisation and louder in the maps that read it
    (name of the normalisation → width), so that int8 has steps enough for all. In int8, `kept` collects everything
    that was read, quantised and folded, so that it can be saved as a file of its own.
    """

    def __init__(self, file: Path, *, device: str, precision: str, folds: Mapping[str, Tensor] | None = None) -> None:
        """Raises ModelNotVerified for a file that is no safetensors file."""
        self.device, self.precision = device, precision
        self.dtype = DTYPES[precision] if device != "cpu" else torch.float32
        self.folds = dict(folds or {})
        self.kept: dict[str, Tensor] = {}
        self.norms: dict[str, Norm] = {}
        self.maps: list[Maps] = []
        self._file = file.name
        try:
            self._open: Any = safe_open(file, framework="pt")
            self._names: frozenset[str] = frozenset(self._open.keys())  # type: ignore[no-untyped-call]  # safetensors has no types
        except (SafetensorError, OSError) as error:
            raise ModelNotVerified(f"{file.name} does not hold this model's weights: {error}") from error

    def __contains__(self, name: str) -> bool:
        return name in self._names or name + STEPS in self._names

    def require(self, names: Iterable[str]) -> None:
        """Raise ModelNotVerified for missing weights: going on would caption with random numbers in their place."""
        missing = sorted(name for name in names if name not in self)
        if missing:
            raise ModelNotVerified(f"{self._file} lacks {len(missing)} of the model's weights, first {missing[0]}.")

    def tensor(self, name: str, *shape: int) -> Tensor:
        """Give one tensor. Raises ModelNotVerified for another shape."""
        return self._keep(name, self._read(name, shape)).to(self.device, self.dtype)

    def norm(self, name: str, width: int, epsilon: float) -> Norm:
        """Give a layer normalisation."""
        parts = [self._read(f"{name}.{part}", (width,)) for part in ("weight", "bias")]
        if name in self.folds:
            parts = [part / self.folds[name] for part in parts]
        weight, bias = (
            self._keep(f"{name}.{part}", tensor).to(self.device, self.dtype)
            for part, tensor in zip(("weight", "bias"), parts, strict=True)
        )
        self.norms[name] = Norm(weight, bias, epsilon)
        return self.norms[name]

    def linear(self, maps: Maps, *, has_bias: bool = True) -> Linear:
        """Give linear maps as one; their results lie side by side."""
        self.maps.append(maps)
        names = [f"{name}.bias" for name in maps.names] if has_bias else []
        biases = [self._keep(name, self._read(name, maps.shape[:1])).float() for name in names]
        bias = torch.cat(biases) if biases else None
        if self.precision == "int8":
            pairs = [self._quantised(name, maps) for name in maps.names]
            return Quantised(torch.cat([steps for steps, _ in pairs]), torch.cat([scale for _, scale in pairs]), bias)
        parts = [self.weight(name, maps) for name in maps.names]
        weight = parts[0] if len(parts) == 1 else torch.cat(parts)
        if self.device != "cpu":
            moved = None if bias is None else bias.to(self.device, self.dtype)
            return Plain(weight.to(self.device, self.dtype), moved)
        return Halved(weight, bias) if self.precision == "bf16" else Packed(weight.float(), bias)

    def weight(self, name: str, maps: Maps) -> Tensor:
        """Give one map's weights, outputs,inputs, as the file holds them."""
        weight = self._read(f"{name}.weight", maps.stored)
        return weight.t() if maps.is_transposed else weight

    def _quantised(self, name: str, maps: Maps) -> tuple[Tensor, Tensor]:
        steps, scale = f"{name}.weight{STEPS}", f"{name}.weight{SCALE}"
        if steps in self._names:
            return self._read(steps, maps.shape, torch.int8), self._read(scale, maps.shape[:1])
        weight = self.weight(name, maps).float()
        if maps.after in self.folds:
            weight = weight * self.folds[maps.after]
        self.kept[steps], self.kept[scale] = quantise(weight)
        return self.kept[steps], self.kept[scale]

    def _keep(self, name: str, tensor: Tensor) -> Tensor:
        if self.precision == "int8":
            # A view would keep the whole file in memory, with the weights that were packed into copies of their own.
            tensor = self.kept[name] = tensor.clone()
        return tensor

    def _read(self, name: str, shape: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
        self.require([name])
        if name not in self._names:
            raise ModelNotVerified(f"{self._file} holds {name} in int8 only.")
        tensor: Tensor = self._open.get_tensor(name)
        if tuple(tensor.shape) != tuple(shape) or (dtype and tensor.dtype != dtype):
            raise ModelNotVerified(
                f"{self._file} does not hold this model's weights: {name} is {tuple(tensor.shape)}, "
                f"where config.json asks for {tuple(shape)}."
            )
        return tensor
