"""ONNX Runtime and OpenVINO, computing the graphs that `benchmarks.exporting` writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks.exporting import GRAPHS


class Runtime(Protocol):
    """What computes: `begin` gives a memory that `step` reads and grows, and whose `keep` drops pictures."""

    version: str

    def encode(self, pixels: npt.NDArray[np.float32]) -> Tensor:
        """B,C,H,W -> B,patches,width."""

    def begin(self, hidden: Tensor) -> Any:
        """Compute the keys and values of B pictures, and an empty cache."""

    def step(self, tokens: Tensor, place: int, memory: Any, mask: Tensor) -> Tensor:
        """Read tokens (B,R) at `place`, seeing the slots of `mask` (B,R,slots+R); give logits B,R,vocabulary."""


class OnnxRuntime:
    """ONNX Runtime on the CPU. Keys and values stay in its own memory from step to step."""

    def __init__(self, folder: Path, precision: str, threads: int) -> None:
        """`folder` holds the graphs, and keeps those in int8 (dynamic, one scale an output)."""
        import onnxruntime

        self._library, self.version = onnxruntime, str(onnxruntime.__version__)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        files = _each(folder, precision, ".onnx", _quantised)
        self._encoder, self._cross, self._step = (
            onnxruntime.InferenceSession(files[name], options, providers=["CPUExecutionProvider"]) for name in GRAPHS
        )
        self._cross_names = [one.name for one in self._cross.get_outputs()]
        self._own = [one for one in self._step.get_inputs() if one.name.startswith("own.")]
        self._grown_names = [one.name for one in self._step.get_outputs()]

    def encode(self, pixels: npt.NDArray[np.float32]) -> Tensor:
        """See Runtime.encode."""
        return torch.from_numpy(self._encoder.run(None, {"pixels": pixels})[0])

    def begin(self, hidden: Tensor) -> _Kept:
        """See Runtime.begin."""
        cross = self._run(self._cross, {"hidden": hidden.numpy()}, {}, self._cross_names)
        empty = [np.zeros((len(hidden), one.shape[1], 0, one.shape[3]), np.float32) for one in self._own]
        return _Kept(cross, [self._value(one) for one in empty], self._value)

    def step(self, tokens: Tensor, place: int, memory: _Kept, mask: Tensor) -> Tensor:
        """See Runtime.step."""
        given = {"tokens": tokens.numpy(), "place": np.array([place]), "mask": mask.numpy()}
        names = [*self._cross_names, *(one.name for one in self._own)]
        held = dict(zip(names, [*memory.cross, *memory.own], strict=True))
        logits, *memory.own = self._run(self._step, given, held, self._grown_names)
        return torch.from_numpy(logits.numpy())

    def _run(
        self, session: Any, given: Mapping[str, npt.NDArray[Any]], held: Mapping[str, Any], wanted: list[str]
    ) -> list[Any]:
        binding = session.io_binding()
        for name, array in given.items():
            binding.bind_cpu_input(name, np.ascontiguousarray(array))
        for name, value in held.items():
            binding.bind_ortvalue_input(name, value)
        for name in wanted:
            binding.bind_output(name, "cpu")
        session.run_with_iobinding(binding)
        return list(binding.get_outputs())

    def _value(self, array: npt.NDArray[np.float32]) -> Any:
        return self._library.OrtValue.ortvalue_from_numpy(array)


class _Kept:
    """ONNX Runtime's keys and values of B pictures: those of the pictures, and the sentences' own."""

    def __init__(self, cross: list[Any], own: list[Any], value: Callable[[npt.NDArray[np.float32]], Any]) -> None:
        self.cross, self.own, self._value = cross, own, value

    def keep(self, pictures: Tensor) -> None:
        """Drop all pictures but these (indexes)."""
        self.cross, self.own = (
            [self._value(one.numpy()[pictures.numpy()]) for one in values] for values in (self.cross, self.own)
        )


class OpenVino:
    """OpenVINO on the CPU. The cache is its state, as in the models of its own tools."""

    def __init__(self, folder: Path, precision: str, threads: int) -> None:
        """`folder` holds the graphs, and keeps those with int8 weights (by nncf, one scale an output)."""
        import openvino

        self._library, self.version = openvino, str(openvino.__version__).split("-")[0]
        core = openvino.Core()
        files = _each(folder, precision, ".xml" if precision == "int8" else ".onnx", _compressed)
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        if precision == "fp32":  # by itself it takes shorter numbers where the processor has them
            settings |= {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
        models = [core.read_model(files[name]) for name in GRAPHS]
        own = [one for one in models[2].inputs if one.any_name.startswith("own.")]
        _, heads, _, size = own[0].partial_shape
        self._heads, self._size = heads.get_length(), size.get_length()
        _make_stateful(models[2], [one.any_name for one in own])
        self._encoder, self._cross, self._step = (
            core.compile_model(model, "CPU", settings).create_infer_request() for model in models
        )

    def encode(self, pixels: npt.NDArray[np.float32]) -> Tensor:
        """See Runtime.encode."""
        return torch.from_numpy(self._encoder.infer({"pixels": pixels})["hidden"].copy())

    def begin(self, hidden: Tensor) -> _Held:
        """See Runtime.begin. There is one memory at a time."""
        found = self._cross.infer({"hidden": hidden.numpy()})
        memory = _Held({key.any_name: value for key, value in found.items()}, self._step, self._library.Tensor)
        for state in self._step.query_state():
            empty = np.zeros((len(hidden), self._heads, 0, self._size), np.float32)
            state.state = self._library.Tensor(empty)
        return memory

    def step(self, tokens: Tensor, place: int, memory: _Held, mask: Tensor) -> Tensor:
        """See Runtime.step."""
        given = {"tokens": tokens.numpy(), "place": np.array([place]), "mask": mask.numpy(), **memory.cross}
        return torch.from_numpy(self._step.infer(given, share_inputs=True)["logits"].copy())


class _Held:
    """OpenVINO's keys and values of B pictures; the sentences' own are the state of the request."""

    def __init__(self, cross: dict[str, Any], request: Any, tensor: Any) -> None:
        self.cross, self._request, self._tensor = cross, request, tensor

    def keep(self, pictures: Tensor) -> None:
        """Drop all pictures but these (indexes)."""
        places = pictures.numpy()
        self.cross = {name: array[places] for name, array in self.cross.items()}
        for state in self._request.query_state():
            state.state = self._tensor(state.state.data[places])


RUNTIMES: Final[Mapping[str, Callable[[Path, str, int], Runtime]]] = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}


def _each(folder: Path, precision: str, ending: str, make: Callable[[Path, Path], None]) -> dict[str, Path]:
    """Give the file of each graph; those of int8 are made once."""
    plain = {name: folder / f"{name}.onnx" for name in GRAPHS}
    if precision == "fp32":
        return plain
    files = {name: folder / f"{name}.int8{ending}" for name in GRAPHS}
    for name, file in files.items():
        if not file.is_file():
            make(plain[name], file)
    return files


def _quantised(plain: Path, file: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(plain, file, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])


def _compressed(plain: Path, file: Path) -> None:
    import nncf
    import openvino

    openvino.save_model(nncf.compress_weights(openvino.Core().read_model(plain)), file, compress_to_fp16=False)


def _make_stateful(model: Any, names: list[str]) -> None:
    from openvino.passes import MakeStateful, Manager

    manager = Manager()
    given = [model.input(name).get_node() for name in names]
    grown = [model.output(name.replace("own.", "grown.")).get_node() for name in names]
    manager.register_pass(MakeStateful(list(zip(given, grown, strict=True))))
    manager.run_passes(model)
