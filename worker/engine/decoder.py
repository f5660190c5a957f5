"""The GPT-2 decoder with cross-attention, one token a sentence and step.

Nothing is copied when sentences are reordered: every token's keys and values stay in the slot where they were written,
and a mask says which slots hold a sentence's ancestors. Keys and values of the picture are computed once and shared by
all of its sentences, which are queries of the same attention.

Source of the architecture: Radford et al., Language Models are Unsupervised Multitask Learners, 2019, with the
weights' names, cross-attention and order of steps of transformers' GPT2LMHeadModel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from worker.engine.linear import Linear, Norm, activation
from worker.engine.weights import Maps, Weights


@dataclass(slots=True)
class Memory:
    """What a search remembers of B pictures. Slots are numbered by step, then sentence.

    `cross` and `own` hold keys and values of each layer: B,heads,patches,size and B,heads,slots,size.
    """

    cross: list[tuple[Tensor, Tensor]]
    own: list[tuple[Tensor, Tensor]]

    def keep(self, pictures: Tensor) -> None:
        """Drop all pictures but these (indexes)."""
        self.cross = [(keys[pictures], values[pictures]) for keys, values in self.cross]
        self.own = [(keys[pictures], values[pictures]) for keys, values in self.own]


class Slots(Protocol):
    """Where a step writes, and what it looks at."""

    def put(self, kept: Tensor, new: Tensor) -> Tensor:
        """Write keys or values `new` (B,heads,R,size) into `kept` (B,heads,slots,size); give those to look at."""


@dataclass(frozen=True, slots=True)
class Next:
    """The slots from `first` on. No time goes into later ones: they are not looked at."""

    first: int

    def put(self, kept: Tensor, new: Tensor) -> Tensor:
        """See Slots.put."""
        end = self.first + new.shape[2]
        kept[:, :, self.first : end] = new
        return kept[:, :, :end]


@dataclass(frozen=True, slots=True)
class Numbered:
    """The slots that a tensor (R) names when the step runs. All are looked at: no shape depends on the place."""

    numbers: Tensor

    def put(self, kept: Tensor, new: Tensor) -> Tensor:
        """See Slots.put."""
        return kept.index_copy_(2, self.numbers, new)


@dataclass(frozen=True, slots=True)
class _Layer:
    before: Norm
    qkv: Linear
    out: Linear
    between: Norm
    query: Linear
    picture: Linear
    cross_out: Linear
    after: Norm
    up: Linear
    down: Linear
    scale: float


class Decoder:
    """All weights and one step.

    `places` is the longest sentence, `vocabulary` the number of tokens, `depth` the number of layers.
    """

    def __init__(self, weights: Weights, sizes: Mapping[str, Any], *, encoder_width: int) -> None:
        """`sizes` is the decoder's part of config.json. Raises ModelNotVerified for weights that do not fit it."""
        self.width = width = int(sizes.get("n_embd", 768))
        self.heads, self.places = int(sizes.get("n_head", 12)), int(sizes.get("n_positions", 1024))
        self.vocabulary = int(sizes.get("vocab_size", 50257))
        self._act = activation(str(sizes.get("activation_function", "gelu_new")))
        self._bridge: Linear | None = None
        seen = "encoder.layernorm"
        if encoder_width != width:
            self._bridge = weights.linear(Maps(("enc_to_dec_proj",), (width, encoder_width), after=seen))
            seen = ""
        body = "decoder.transformer"
        epsilon = float(sizes.get("layer_norm_epsilon", 1e-5))
        self._words = weights.tensor(f"{body}.wte.weight", self.vocabulary, width)
        self._wheres = weights.tensor(f"{body}.wpe.weight", self.places, width)
        self._layers = [
            self._layer(weights, f"{body}.h.{number}", number, sizes, epsilon, seen)
            for number in range(int(sizes.get("n_layer", 12)))
        ]
        self.depth = len(self._layers)
        self._last = weights.norm(f"{body}.ln_f", width, epsilon)
        head = f"{body}.wte" if sizes.get("tie_word_embeddings", True) else "decoder.lm_head"
        self._head = weights.linear(Maps((head,), (self.vocabulary, width), after=f"{body}.ln_f"), has_bias=False)

    def _layer(
        self, weights: Weights, name: str, number: int, sizes: Mapping[str, Any], epsilon: float, seen: str
    ) -> _Layer:
        width = self.width
        inner = int(sizes.get("n_inner") or 4 * width)
        scale = (width // self.heads) ** -0.5 if sizes.get("scale_attn_weights", True) else 1.0
        if sizes.get("scale_attn_by_inverse_layer_idx", False):
            scale /= number + 1

        def linear(part: str, outputs: int, inputs: int, after: str = "") -> Linear:
            return weights.linear(Maps((f"{name}.{part}",), (outputs, inputs), is_transposed=True, after=after))

        ln_1, ln_cross, ln_2 = (f"{name}.{part}" for part in ("ln_1", "ln_cross_attn", "ln_2"))
        return _Layer(
            before=weights.norm(ln_1, width, epsilon),
            qkv=linear("attn.c_attn", 3 * width, width, ln_1),
            out=linear("attn.c_proj", width, width),
            between=weights.norm(ln_cross, width, epsilon),
            query=linear("crossattention.q_attn", width, width, ln_cross),
            picture=linear("crossattention.c_attn", 2 * width, width, seen),
            cross_out=linear("crossattention.c_proj", width, width),
            after=weights.norm(ln_2, width, epsilon),
            up=linear("mlp.c_fc", inner, width, ln_2),
            down=linear("mlp.c_proj", width, inner),
            scale=scale,
        )

    def begin(self, hidden: Tensor, *, slots: int) -> Memory:
        """Compute what `hidden` (B,patches,encoder width) gives to every sentence, and make room for `slots` tokens."""
        cross = [one.contiguous() for one in self.pictured(hidden)]
        room = (len(hidden), self.heads, slots, self.width // self.heads)
        own = [(hidden.new_zeros(room), hidden.new_zeros(room)) for _ in self._layers]
        return Memory([(keys, values) for keys, values in cross], own)

    def pictured(self, hidden: Tensor) -> Iterator[Tensor]:
        """Compute every layer's keys and values of pictures `hidden` (B,patches,encoder width).

        Each is 2,B,heads,patches,size and not contiguous.
        """
        batch, patches = hidden.shape[:2]
        rows = hidden.reshape(batch * patches, -1)
        if self._bridge:
            rows = self._bridge(rows)
        shape = (batch, patches, 2, self.heads, self.width // self.heads)
        for layer in self._layers:
            yield layer.picture(rows).view(shape).permute(2, 0, 3, 1, 4)

    def step(self, tokens: Tensor, place: int, memory: Memory, first: int, mask: Tensor | None) -> Tensor:
        """Read one token a sentence (B,R) at `place` and give the logits of the next: B,R,vocabulary, fp32.

        Its keys and values go to the R slots from `first` on. `mask` (B,R,first+R, bool) says which slots a sentence
        sees; None: all.
        """
        return self.read(tokens, place, memory, Next(first), mask)

    def read(self, tokens: Tensor, place: int | Tensor, memory: Memory, slots: Slots, mask: Tensor | None) -> Tensor:
        """Do what `step` does, with keys and values going to `slots`. As a tensor, `place` has one element.

        `mask` (B,R and the slots that are looked at) is bool, or is added to the attention's scores.
        """
        batch, rows = tokens.shape
        size, width = self.width // self.heads, self.width
        x = self._words[tokens.reshape(-1)] + self._wheres[place]  # B*R,width
        seen = None if mask is None else mask.unsqueeze(1)  # B,1,R,slots
        for layer, (keys, values), (there, what) in zip(self._layers, memory.own, memory.cross, strict=True):
            q, k, v = layer.qkv(layer.before(x)).view(batch, rows, 3, self.heads, size).permute(2, 0, 3, 1, 4)
            y = scaled_dot_product_attention(
                q, slots.put(keys, k), slots.put(values, v), attn_mask=seen, scale=layer.scale
            )  # B,heads,R,size
            x = x + layer.out(y.transpose(1, 2).reshape(-1, width))
            q = layer.query(layer.between(x)).view(batch, rows, self.heads, size).transpose(1, 2)
            y = scaled_dot_product_attention(q, there, what, scale=layer.scale)
            x = x + layer.cross_out(y.transpose(1, 2).reshape(-1, width))
            x = x + layer.down(self._act(layer.up(layer.after(x))))
        return self._head(self._last(x)).float().view(batch, rows, -1)
