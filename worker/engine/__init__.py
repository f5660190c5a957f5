"""The captioning engine: pictures and parameters in, candidate captions out. Knows neither Django nor the product.

    from worker.engine import load
    captioner = load("demo")
    captioner.caption([picture], params)

Importing this package is cheap; torch and transformers are imported by `load`.
"""

from worker.engine.contract import Candidate, Captioner, Generation, Prepared
from worker.engine.errors import EngineError
from worker.engine.loader import load

__all__ = ["Candidate", "Captioner", "EngineError", "Generation", "Prepared", "load"]
