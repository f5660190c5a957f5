"""How captions are made.

Generated from docs/openapi.json by clients/python/generate.py; do not edit.
"""

from __future__ import annotations

from typing import TypedDict


class GenerationParams(TypedDict, total=False):
    """
    How captions are made. What is left out takes the default of the model that answers.
    """

    do_sample: bool | None
    """
    Take chances. Picks words by chance instead of always the likeliest. Wakes boldness and the two settings after it. Left out: usually False.
    """
    max_length: int | None
    """
    Longest caption. Where the model must stop. 32 pieces is about 24 words. Left out: usually 16.
    """
    model: str | None
    """
    The model to ask for, by one of the names of `/api/v1/models/`; left out, one that is a default.
    """
    no_repeat_ngram_size: int | None
    """
    No repeated runs of. The same run of words cannot come twice. 0 is off. Left out: usually 0.
    """
    num_beams: int | None
    """
    Search width. How many sentences are followed at once. Wider is safer and slower. Never less than the number of drafts, unless words are picked by chance. Left out: usually 4.
    """
    num_captions: int | None
    """
    Drafts. How many captions to offer. More take a little longer. Left out: usually 1.
    """
    repetition_penalty: float | None
    """
    Repetition brake. Makes words already used less likely. 1 is off. Left out: usually 1.0.
    """
    seed: int | None
    """
    Seed. The same seed and settings give the same captions again. Empty picks one. Left out: the model decides.
    """
    temperature: float | None
    """
    Boldness. Low repeats the likely words, high takes chances. Left out: usually 1.0.
    """
    top_k: int | None
    """
    Likeliest words kept. Only this many words are considered at each step. 0 keeps all. Left out: usually 50.
    """
    top_p: float | None
    """
    Share of likelihood kept. Drops the unlikely tail of words. Lower is tamer. Left out: usually 1.0.
    """
