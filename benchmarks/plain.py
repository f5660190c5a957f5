"""Time captioning as people do it without this engine: transformers' generate. Prints what `benchmarks.engine` prints.

python -m benchmarks.plain CHECKPOINT IMAGE... [--num-beams 4] [--max-length 16] [--batch 1]
                           [--fixed-length] [--runs 3] [--device auto] [--precision fp32]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

from PIL import Image

from benchmarks.memory import peak_mib


def main(arguments: list[str] | None = None) -> int:
    """Run it, after one run to warm up."""
    import torch
    from transformers import AutoImageProcessor, AutoTokenizer, VisionEncoderDecoderModel

    from worker.engine.devices import DTYPES, pick_device

    options = _options(arguments)
    device, dtype = pick_device(options.device), DTYPES[options.precision]
    model = VisionEncoderDecoderModel.from_pretrained(options.checkpoint).eval().to(device, dtype)
    processor = AutoImageProcessor.from_pretrained(options.checkpoint, backend="pil")
    tokenizer = AutoTokenizer.from_pretrained(options.checkpoint)
    search = {"max_length": options.max_length, "num_beams": options.num_beams, "do_sample": False}
    if options.fixed_length:
        search["min_length"] = options.max_length

    def run() -> list[list[int]]:
        rows: list[list[int]] = []
        for start in range(0, len(options.images), options.batch):
            pictures = [Image.open(path).convert("RGB") for path in options.images[start : start + options.batch]]
            pixels = processor(images=pictures, return_tensors="pt").pixel_values.to(device, dtype)
            tokens = model.generate(pixel_values=pixels, **search)
            tokenizer.batch_decode(tokens, skip_special_tokens=True)
            rows += tokens.tolist()
        return rows

    seconds = []
    with torch.inference_mode():
        found = run()
        for _ in range(options.runs):
            began = time.perf_counter()
            run()
            seconds.append((time.perf_counter() - began) / len(options.images))
    memory = peak_mib()
    result = {
        "device": device,
        "precision": options.precision,
        "seconds_per_image": statistics.median(seconds),
        "tokens": found,
    }
    print(json.dumps({**result, "batch": options.batch, "peak_rss_mib": memory, "runs": seconds}))
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plain", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("images", nargs="+", type=Path)
    for name, value in (("num-beams", 4), ("max-length", 16), ("batch", 1), ("runs", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--fixed-length", action="store_true")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16", "fp16"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
