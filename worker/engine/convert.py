"""Read a pickled checkpoint once and write it as safetensors: `python -m worker.engine.convert SOURCE TARGET`.

Runs as a process of its own, without the parent's environment: a pickle is a program, and even torch's reader that
allows tensors only has been got round before. What it needs of memory goes back when it ends.
"""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, Final

from worker.engine.errors import ModelNotVerified

ROOT: Final = Path(__file__).resolve().parents[2]
# Old GPT-2 files store the causal mask as if it were a weight.
CAUSAL_MASKS: Final = re.compile(r"\.(attn|crossattention)\.(bias|masked_bias)$")
REFUSED: Final = 3  # exit status: the file holds something else than weights


def to_safetensors(source: Path, target: Path) -> None:
    """Convert pickled weights in a child process. Raises ModelNotVerified when they are anything but plain tensors."""
    command = [sys.executable, "-m", "worker.engine.convert", str(source.resolve()), str(target.resolve())]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT") if name in os.environ}
    done = subprocess.run(
        command, cwd=ROOT, env=kept | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode == 0 and target.is_file():
        return
    target.unlink(missing_ok=True)
    last = (done.stderr.strip().splitlines() or [f"the reader ended with status {done.returncode}"])[-1]
    raise ModelNotVerified(f"{source.name} is refused: {last}")


def convert(source: Path, target: Path) -> None:
    """Read tensors from a pickle, refusing everything else, and write them to a safetensors file.

    Raises ModelNotVerified for objects that are not tensors, OSError when the disk is full.
    """
    import torch
    from safetensors.torch import save_file

    try:
        state = torch.load(source, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(source))
    except pickle.UnpicklingError as error:
        raise ModelNotVerified("it holds more than weights, so reading it could run code.") from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelNotVerified(f"it cannot be read as weights ({type(error).__name__}).") from error
    if not isinstance(state, dict) or not state or not all(_is_weight(*item) for item in state.items()):
        raise ModelNotVerified("it is not a table of weights.")
    # Tied weights share memory, which safetensors does not allow: each name gets a copy of its own.
    names = [name for name in state if not CAUSAL_MASKS.search(name)]
    seen: set[int] = set()
    plain: dict[str, Any] = {}
    for name in names:
        tensor = state[name].detach().contiguous()
        plain[name] = tensor.clone() if tensor.data_ptr() in seen else tensor
        seen.add(tensor.data_ptr())
    save_file(plain, target, metadata={"format": "pt"})
    target.chmod(0o644)  # it is written for its owner alone, and the worker may run as somebody else


def _is_weight(name: object, value: object) -> bool:
    import torch

    return isinstance(name, str) and isinstance(value, torch.Tensor) and value.layout == torch.strided


def main() -> int:
    """Convert the first path into the second; one line on stderr says what was wrong."""
    try:
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except (ModelNotVerified, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
