"""What can go wrong in the engine, in words that say what to do. `code` is stable."""

from __future__ import annotations


class EngineError(Exception):
    """Any failure of the engine that has a name."""

    code = "engine_error"


class ModelNotFound(EngineError):
    """There is no such model in the store, the local cache or the catalogue."""

    code = "model_not_found"


class ModelNotVerified(EngineError):
    """A model's files are unsafe or are not those that were fetched: they must not be loaded."""

    code = "model_not_verified"


class ModelUnsupported(EngineError):
    """The model is of a kind, or asked for in a precision, that this engine does not run."""

    code = "model_unsupported"


class DownloadFailed(EngineError):
    """The hub did not answer, broke off, or sent something else than it announced."""

    code = "download_failed"


class DeviceUnavailable(EngineError):
    """The device asked for is not in this machine."""

    code = "device_unavailable"


class OutOfMemory(EngineError):
    """Not even one picture fits into the device's memory."""

    code = "out_of_memory"


class DeviceLost(EngineError):
    """The GPU reported an error that stays until the process ends: start the worker again."""

    code = "device_lost"
