"""Make a model of the published one's size with random weights: its time and memory are real, its words mean nothing.

    python -m benchmarks.checkpoint FOLDER [--seed 0]

A ViT-B/16 at 224 pixels and a GPT-2 small with cross-attention: 239 million weights, 0.96 GB.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

END: Final = "<|endoftext|>"
WORDS: Final = 50257


def make(folder: Path, seed: int = 0) -> Path:
    """Write weights, settings, tokenizer and preprocessor settings into `folder`."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        GPT2Config,
        PreTrainedTokenizerFast,
        VisionEncoderDecoderConfig,
        VisionEncoderDecoderModel,
        ViTConfig,
        ViTImageProcessor,
    )

    torch.manual_seed(seed)
    text = GPT2Config(vocab_size=WORDS, add_cross_attention=True, is_decoder=True)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(ViTConfig(), text)
    config.decoder_start_token_id = config.pad_token_id = config.eos_token_id = WORDS - 1
    model = VisionEncoderDecoderModel(config)
    for name in ("decoder_start_token_id", "bos_token_id", "pad_token_id", "eos_token_id"):
        setattr(model.generation_config, name, WORDS - 1)
    model.save_pretrained(folder)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    fillers = [f"\u0120filler{number}" for number in range(WORDS - 1 - len(letters))]
    spelling = Tokenizer(models.BPE({word: place for place, word in enumerate([*letters, *fillers, END])}, []))
    spelling.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    spelling.decoder = decoders.ByteLevel()
    named = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), END)
    PreTrainedTokenizerFast(tokenizer_object=spelling, **named).save_pretrained(folder)
    ViTImageProcessor(size={"height": 224, "width": 224}).save_pretrained(folder)
    return folder


def main() -> int:
    """Make one where the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checkpoint", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    make(options.folder, options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
