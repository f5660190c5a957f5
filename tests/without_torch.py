"""A pytest plug-in that makes torch and transformers impossible to import: the web half must not miss them."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

BLOCKED = {"torch", "transformers", "safetensors", "tokenizers", "accelerate"}


class Blocked(MetaPathFinder):
    """Refuses the model's half as if it were not installed."""

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Raise for the blocked packages, and leave every other to the usual finders."""
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is blocked: this half of the product runs without it", name=name)
        return None


sys.meta_path.insert(0, Blocked())
