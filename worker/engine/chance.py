"""Random numbers that depend on a picture's seed and on nothing else: neither on its neighbours nor on the device.

A number is a hash of (seed, sentence, step, token), so it can be computed for any tokens in any order. Adding Gumbel
noise to log-probabilities and taking the largest draws from their distribution; taking the k largest draws k without
replacement (Kool, van Hoof and Welling, Stochastic Beams and Where to Find Them, 2019).
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

# The finaliser of SplitMix64 (Steele, Lea and Flood, 2014), written as signed numbers: torch multiplies int64 only.
_STEP: Final = 0x9E3779B97F4A7C15 - 2**64
_FIRST: Final = 0xBF58476D1CE4E5B9 - 2**64
_STRIDE: Final = 0x9E3779B9  # between steps; small enough for the product to stay within 64 bits
_SECOND: Final = 0x94D049BB133111EB - 2**64


def _mixed(numbers: Tensor) -> Tensor:
    """Scatter int64 numbers over all 64 bits."""
    numbers = (numbers ^ _shifted(numbers, 30)) * _FIRST
    numbers = (numbers ^ _shifted(numbers, 27)) * _SECOND
    return numbers ^ _shifted(numbers, 31)


def _shifted(numbers: Tensor, bits: int) -> Tensor:
    return (numbers >> bits) & ((1 << (64 - bits)) - 1)  # torch shifts the sign in; a hash needs noughts


def streams(seeds: Tensor, sentences: int) -> Tensor:
    """Give one stream for each of R sentences of B pictures: seeds B -> B,R (int64)."""
    numbers = torch.arange(1, sentences + 1, device=seeds.device)
    return _mixed(_mixed(seeds[:, None] + _STEP) + numbers * _STEP)


def gumbel(streams: Tensor, step: int, tokens: Tensor) -> Tensor:
    """Give Gumbel noise (fp64) for `tokens` (B,R,K or K) of each stream (B,R) at a step: B,R,K."""
    bits = _mixed(_mixed(streams + step * _STRIDE)[:, :, None] + (tokens + 1) * _STEP)
    uniform = (_shifted(bits, 11).double() + 0.5) * 2.0**-53  # above 0 and below 1
    return -torch.log(-torch.log(uniform))
