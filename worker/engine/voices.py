"""How each family is driven: look at pictures once, generate from what was seen, judge tokens by what was seen.

What was seen is a table of tensors with the pictures as first dimension, so that one picture can be taken out of it or
repeated for each of its captions. Batches hold pictures of equal shapes only: there is no padding that could leak from
a neighbour into a caption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutput, BaseModelOutputWithPooling

from worker.engine.errors import ModelUnsupported
from worker.engine.families import Plan

Seen = dict[str, torch.Tensor]


class Spelling(Protocol):
    """Text to token ids, as a checkpoint's tokenizer does it."""

    def ids(self, text: str) -> list[int]:
        """Give the tokens of a text; names of special tokens in it become those tokens."""
        ...


class Voice:
    """One loaded model, driven as its family needs.

    `start` is the token before the first generated one, `ends` those that end a caption, `pad` fills rows up. `extra`
    are options of `generate` that only this family needs.
    """

    def __init__(self, model: Any, plan: Plan, spelling: Spelling, prompt: str) -> None:
        self.model, self.config, self.plan = model, model.config, plan
        text = getattr(model.config, "text_config", model.config)
        self.start = _known(plan.tokens.get("bos_token_id"), text.bos_token_id, 0)
        self.ends = plan.ends or _several(text.eos_token_id)
        self.pad = _known(plan.tokens.get("pad_token_id"), text.pad_token_id, self.ends[0] if self.ends else 0)
        self.places = int(text.max_position_embeddings)
        self.extra: dict[str, Any] = {}
        self.prompt, self._spelling = prompt or plan.family.prompt, spelling
        self.prepared()
        if not self.ends:
            raise ModelUnsupported("config.json names no token that ends a caption.")

    def prepared(self) -> None:
        """Set what only this family needs. Raises ModelUnsupported when the folder lacks it."""

    def see(self, arrays: Sequence[Mapping[str, torch.Tensor]]) -> Seen:
        """Run the vision part over B prepared pictures of equal shapes."""
        raise NotImplementedError

    def rows(self, seen: Seen, options: Any) -> torch.Tensor:
        """Generate: B pictures give B*captions rows of new tokens, filled up behind their ends."""
        raise NotImplementedError

    def logits(self, seen: Seen, tokens: torch.Tensor) -> torch.Tensor:
        """Say for N rows of L tokens, each of its own picture, what the model expected at each place: N,L,V."""
        raise NotImplementedError

    def patches(self) -> dict[str, int]:
        """Give the numbers by which pictures of free size are cut; empty for the families that fix the size."""
        return {}

    def room(self, seen: Seen) -> int:
        """Say how many new tokens the model has places for."""
        return max(1, self.places - (seen["ids"].shape[1] if "ids" in seen else 1))

    def pixels(self, arrays: Sequence[Mapping[str, torch.Tensor]]) -> torch.Tensor:
        """Stack the pictures of a batch, in the model's precision."""
        return torch.stack([one["pixel_values"] for one in arrays]).to(self.model.device, self.model.dtype)

    def spelled(self, image: str, count: int) -> list[int]:
        """Give the prompt's tokens, with `image` where the picture goes, `count` picture tokens among it.

        Raises ModelUnsupported when the tokenizer does not know the picture's token.
        """
        text = self.plan.family.template.replace("{image}", image).replace("{prompt}", self.prompt)
        ids = self._spelling.ids(text)
        if ids.count(int(self.config.image_token_id)) != count:
            raise ModelUnsupported(
                f"The model's tokenizer does not know {self.plan.family.image_token} as config.json does."
            )
        return ids

    def column(self, token: int, rows: int) -> torch.Tensor:
        """Give one token for each of `rows` rows: rows,1."""
        return torch.full((rows, 1), token, dtype=torch.long, device=self.model.device)


class Blip(Voice):
    """A ViT whose states a BERT attends to; the text part is a generating model of its own."""

    def prepared(self) -> None:
        text = self.config.text_config  # what generation_config.json says is not meant for the text part
        self.start, self.pad = int(text.bos_token_id), int(text.pad_token_id)
        self.ends = _several(text.sep_token_id)

    def see(self, arrays: Sequence[Mapping[str, torch.Tensor]]) -> Seen:
        return {"hidden": self.model.vision_model(pixel_values=self.pixels(arrays)).last_hidden_state}  # B,S,W

    def rows(self, seen: Seen, options: Any) -> torch.Tensor:
        start = self.column(self.start, len(seen["hidden"]))
        found: torch.Tensor = self.model.text_decoder.generate(
            input_ids=start,
            attention_mask=torch.ones_like(start),
            encoder_hidden_states=seen["hidden"],
            encoder_attention_mask=_ones(seen["hidden"]),
            generation_config=options,
        )
        return found[:, 1:]

    def logits(self, seen: Seen, tokens: torch.Tensor) -> torch.Tensor:
        before = torch.cat([self.column(self.start, len(tokens)), tokens[:, :-1]], 1)
        found: torch.Tensor = self.model.text_decoder(
            input_ids=before,
            encoder_hidden_states=seen["hidden"],
            encoder_attention_mask=_ones(seen["hidden"]),
            use_cache=False,
        ).logits
        return found


class AlreadySeen(nn.Module):
    """Stands in GIT's place for its vision part and hands on what that part saw before."""

    def forward(self, states: torch.Tensor, **_: Any) -> BaseModelOutput:  # B,1,S,W
        return BaseModelOutput(last_hidden_state=states[:, 0])


class Git(Voice):
    """A CLIP whose states stand before the text in one sequence."""

    def prepared(self) -> None:
        # GIT looks at its pixels inside every first step: once for each beam, and again for the scores.
        self.eyes = self.model.git.image_encoder
        self.model.git.image_encoder = AlreadySeen()

    def see(self, arrays: Sequence[Mapping[str, torch.Tensor]]) -> Seen:
        return {"hidden": self.eyes(self.pixels(arrays)).last_hidden_state[:, None]}  # B,1,S,W

    def rows(self, seen: Seen, options: Any) -> torch.Tensor:
        start = self.column(self.start, len(seen["hidden"]))
        found: torch.Tensor = self.model.generate(
            input_ids=start,
            attention_mask=torch.ones_like(start),
            pixel_values=seen["hidden"],
            generation_config=options,
        )
        return found[:, 1:]

    def logits(self, seen: Seen, tokens: torch.Tensor) -> torch.Tensor:
        before = torch.cat([self.column(self.start, len(tokens)), tokens[:, :-1]], 1)
        found: torch.Tensor = self.model(
            input_ids=before, pixel_values=seen["hidden"], use_cache=False, logits_to_keep=tokens.shape[1]
        ).logits
        return found


class Blip2(Voice):
    """A ViT, a few learned questions to it, and an OPT that continues their answers."""

    def prepared(self) -> None:
        if self.config.image_token_index is None:
            raise ModelUnsupported("config.json names no image_token_index: this is a BLIP-2 in its first form.")
        text = self.config.text_config  # what generation_config.json says is not meant for the text part
        self.start, self.pad = int(text.bos_token_id), int(text.pad_token_id)
        self.ends = _several(text.eos_token_id)
        image = [int(self.config.image_token_index)] * int(self.config.num_query_tokens)
        self.before = [*image, self.start]

    def see(self, arrays: Sequence[Mapping[str, torch.Tensor]]) -> Seen:
        answers = self.model.get_image_features(self.pixels(arrays)).pooler_output  # B,Q,W
        ids = torch.tensor([self.before] * len(answers), device=self.model.device)
        start = self.model.get_input_embeddings()(ids[:, -1:])
        return {"ids": ids, "embeds": torch.cat([answers.to(start.dtype), start], 1)}  # B,Q+1  B,Q+1,W

    def rows(self, seen: Seen, options: Any) -> torch.Tensor:
        found: torch.Tensor = self.model.language_model.generate(
            input_ids=seen["ids"],
            inputs_embeds=seen["embeds"],
            attention_mask=torch.ones_like(seen["ids"]),
            generation_config=options,
        )
        return found[:, seen["ids"].shape[1] :]

    def logits(self, seen: Seen, tokens: torch.Tensor) -> torch.Tensor:
        spoken = self.model.get_input_embeddings()(tokens[:, :-1])
        found: torch.Tensor = self.model.language_model(
            inputs_embeds=torch.cat([seen["embeds"], spoken], 1), use_cache=False, logits_to_keep=tokens.shape[1]
        ).logits
        return found


class Florence2(Voice):
    """A DaViT and a BART: picture and question go into the encoder, the answer comes from the decoder."""

    def prepared(self) -> None:
        self.start = int(self.config.text_config.decoder_start_token_id)
        self.extra = {"decoder_start_token_id": self.start}
        if "forced_bos_token_id" in self.plan.tokens:
            self.extra["forced_bos_token_id"] = self.plan.tokens["forced_bos_token_id"]

    def see(self, arrays: Sequence[Mapping[str, torch.Tensor]]) -> Seen:
        features = self.model.get_image_features(self.pixels(arrays)).pooler_output  # B,S,W
        count = features.shape[1]
        ids = self.spelled(self.plan.family.image_token * count, count)
        embeds = self.model.get_input_embeddings()(torch.tensor([ids] * len(features), device=self.model.device))
        place = ids.index(int(self.config.image_token_id))
        embeds[:, place : place + count] = features.to(embeds.dtype)
        encoder = self.model.model.language_model.encoder
        return {"hidden": encoder(inputs_embeds=embeds).last_hidden_state}  # B,P,W

    def rows(self, seen: Seen, options: Any) -> torch.Tensor:
        found: torch.Tensor = self.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=seen["hidden"]),
            attention_mask=_ones(seen["hidden"]),
            generation_config=options,
        )
        return found[:, 1:]

    def logits(self, seen: Seen, tokens: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=seen["hidden"]),
            decoder_input_ids=torch.cat([self.column(self.start, len(tokens)), tokens[:, :-1]], 1),
            use_cache=False,
        ).logits
        return found


class Chat(Voice):
    """A vision part whose features replace the picture's tokens in a conversation that a language model continues."""

    def prepared(self) -> None:
        # A picture's token among the answer's would be taken for a second picture, and no features are there for it.
        named = (getattr(self.config, name, None) for name in ("image_token_id", "video_token_id"))
        self.extra = {"suppress_tokens": [int(token) for token in named if token is not None]}

    def rows(self, seen: Seen, options: Any) -> torch.Tensor:
        found: torch.Tensor = self.model.generate(
            input_ids=seen["ids"],
            attention_mask=torch.ones_like(seen["ids"]),
            mm_encoder_outputs=_features(seen),
            generation_config=options,
            **self.places_of(seen, seen["ids"]),
        )
        return found[:, seen["ids"].shape[1] :]

    def logits(self, seen: Seen, tokens: torch.Tensor) -> torch.Tensor:
        ids = torch.cat([seen["ids"], tokens[:, :-1]], 1)
        found: torch.Tensor = self.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_encoder_outputs=_features(seen),
            use_cache=False,
            logits_to_keep=tokens.shape[1],
            **self.places_of(seen, ids),
        ).logits
        return found

    def places_of(self, seen: Seen, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """Say where in the picture each token lies, for models that want to know."""
        return {}


class Smol(Chat):
    """SmolVLM and Idefics3: a picture is one tile, or rows and columns of tiles and then the whole."""

    def see(self, arrays: Sequence[Mapping[str, torch.Tensor]]) -> Seen:
        features = torch.stack(list(self.model.model.get_image_features(self.pixels(arrays)).pooler_output))  # B,F,W
        rows, columns = int(arrays[0]["rows"][0]), int(arrays[0]["cols"][0])
        each = features.shape[1] // (rows * columns + 1)
        ids = self.spelled(self._tiles(rows, columns, each), features.shape[1])
        return {"features": features, "ids": torch.tensor([ids] * len(features), device=self.model.device)}

    def _tiles(self, rows: int, columns: int, each: int) -> str:
        fence, image = "<fake_token_around_image>", self.plan.family.image_token * each
        lines = [
            "".join(f"{fence}<row_{row + 1}_col_{column + 1}>{image}" for column in range(columns)) + "\n"
            for row in range(rows)
        ]
        return "".join(lines) + ("\n" if lines else "") + f"{fence}<global-img>{image}{fence}"


class Qwen(Chat):
    """Qwen-VL: a picture keeps its proportions and becomes as many tokens as it needs."""

    def see(self, arrays: Sequence[Mapping[str, torch.Tensor]]) -> Seen:
        grids = torch.stack([one["image_grid_thw"] for one in arrays]).to(self.model.device)  # B,3
        patches = torch.cat([one["pixel_values"] for one in arrays]).to(self.model.device, self.model.dtype)
        found = self.model.model.get_image_features(patches, grids).pooler_output
        features = torch.stack(list(found))  # B,F,W
        image = self.plan.family.image_token * features.shape[1]
        ids = torch.tensor([self.spelled(image, features.shape[1])] * len(features), device=self.model.device)
        return {"features": features, "ids": ids, "grids": grids}

    def patches(self) -> dict[str, int]:
        eyes = self.config.vision_config
        return {
            "patch_size": int(eyes.patch_size),
            "merge_size": int(eyes.spatial_merge_size),
            "temporal_patch_size": int(eyes.temporal_patch_size),
        }

    def places_of(self, seen: Seen, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        kinds = (ids == int(self.config.image_token_id)).int()  # 1 where the picture is
        return {"image_grid_thw": seen["grids"], "mm_token_type_ids": kinds}


VOICES: Final[Mapping[str, type[Voice]]] = {
    "blip": Blip,
    "git": Git,
    "blip-2": Blip2,
    "florence2": Florence2,
    "idefics3": Smol,
    "smolvlm": Smol,
    "qwen2_vl": Qwen,
    "qwen2_5_vl": Qwen,
}


def _features(seen: Seen) -> dict[str, Any]:
    # A new one for every call: `generate` writes the repetitions for its beams into it.
    return {"image": BaseModelOutputWithPooling(pooler_output=list(seen["features"]))}


def _ones(hidden: torch.Tensor) -> torch.Tensor:
    return torch.ones(hidden.shape[:2], dtype=torch.long, device=hidden.device)


def _several(value: Any) -> tuple[int, ...]:
    numbers = value if isinstance(value, list | tuple) else [value]
    return tuple(int(one) for one in numbers if one is not None)


def _known(*values: int | None) -> int:
    return next(int(value) for value in values if value is not None)
