"""The decoder: the one place that parses uploaded bytes.

Every picture is read in a process of its own, forked from a warmed-up one, with limits on memory and time, without
network, files, secrets or privileges. What comes out are facts about the picture and three clean WebP renditions.
The picture itself is opened for reading only and never changed.

>>> decoded = decode(source, thumbnail=thumbnail, medium=medium, screen=screen, limits=Limits())
"""

from captions.decoder.contract import (
    FORMATS,
    REFUSALS,
    Decoded,
    DecodeRefused,
    DecoderUnavailable,
    Limits,
    Rendition,
)
from captions.decoder.pool import Pool, decode, sandbox_report, start, stop

__all__ = [
    "FORMATS",
    "REFUSALS",
    "DecodeRefused",
    "Decoded",
    "DecoderUnavailable",
    "Limits",
    "Pool",
    "Rendition",
    "decode",
    "sandbox_report",
    "start",
    "stop",
]
