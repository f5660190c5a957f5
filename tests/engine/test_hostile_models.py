"""Model folders made to run code, to lie or to fill the memory: each is refused in words, and nothing in it runs."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.checkpoints import copy_of, edit_json, published_checkpoint, write_json
from tests.engine.hub_server import HubServer
from worker.engine import convert, load
from worker.engine.convert import ROOT
from worker.engine.errors import ModelNotVerified, ModelUnsupported
from worker.engine.fetch import fetch
from worker.engine.store import stored

SOURCE, REVISION = "mallory/captions", "ab" * 20


class Bomb:
    """A pickle that writes a file when it is read."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.canary}'",)


def code(canary: Path) -> str:
    return f"open({str(canary)!r}, 'w').write('ran')\nclass Model: pass\n"


def pickled_weights_only(folder: Path, canary: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(canary)))


def pickled_weights_beside_good_ones(folder: Path, canary: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(canary)))


def pickled_weights_in_a_subfolder(folder: Path, canary: Path) -> None:
    (folder / "runs").mkdir()
    (folder / "runs" / "optimizer.pt").write_bytes(pickle.dumps(Bomb(canary)))


def pickle_named_safetensors(folder: Path, canary: Path) -> None:
    torch.save({"weights": Bomb(canary)}, folder / "model.safetensors")


def code_of_its_own(folder: Path, canary: Path) -> None:
    (folder / "modeling_captions.py").write_text(code(canary))
    edit_json(folder / "config.json", auto_map={"AutoModel": "modeling_captions.Model"})


def code_in_another_repository(folder: Path, canary: Path) -> None:
    edit_json(folder / "config.json", auto_map={"AutoConfig": f"{SOURCE}--configuration.Config"})


def code_for_its_decoder(folder: Path, canary: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["decoder"]["auto_map"] = {"AutoModelForCausalLM": "evil--modeling.Model"}
    write_json(folder / "config.json", config)


def code_for_its_pictures(folder: Path, canary: Path) -> None:
    edit_json(folder / "preprocessor_config.json", auto_map={"AutoImageProcessor": "evil--processing.Processor"})


def code_for_its_tokenizer(folder: Path, canary: Path) -> None:
    edit_json(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil--tokens.Tokenizer", None]})


def a_wish_to_be_trusted(folder: Path, canary: Path) -> None:
    edit_json(folder / "config.json", trust_remote_code=True)


def a_decoding_loop_of_its_own(folder: Path, canary: Path) -> None:
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(code(canary))
    edit_json(folder / "generation_config.json", custom_generate="custom_generate")


def an_adapter_on_another_model(folder: Path, canary: Path) -> None:
    write_json(folder / "adapter_config.json", {"base_model_name_or_path": "evil/base", "peft_type": "LORA"})


def weights_split_with_a_way_out(folder: Path, canary: Path) -> None:
    write_json(folder / "model.safetensors.index.json", {"weight_map": {"a": "../../outside.safetensors"}})


def weights_linked_from_elsewhere(folder: Path, canary: Path) -> None:
    outside = folder.parent / "outside.safetensors"
    (folder / "model.safetensors").rename(outside)
    (folder / "model.safetensors").symlink_to(outside)


def a_folder_linked_from_elsewhere(folder: Path, canary: Path) -> None:
    (folder / "extra").symlink_to("/etc")


def a_header_longer_than_the_file(folder: Path, canary: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 62) + b"{}")


def a_header_of_ninety_megabytes(folder: Path, canary: Path) -> None:
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", 90_000_000) + b"{" + b" " * 100)
        file.truncate(90_000_100)


def tensors_beyond_the_end(folder: Path, canary: Path) -> None:
    rewrite_header(folder, lambda tensor: tensor | {"data_offsets": [tensor["data_offsets"][0], 1 << 40]})


def tensors_over_each_other(folder: Path, canary: Path) -> None:
    rewrite_header(folder, lambda tensor: tensor | {"data_offsets": [0, 128]})


def tensors_larger_than_their_bytes(folder: Path, canary: Path) -> None:
    rewrite_header(folder, lambda tensor: tensor | {"shape": [1 << 31, 1 << 31]})


def a_model_of_a_terabyte(folder: Path, canary: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["decoder"] |= {"n_layer": 100_000, "n_embd": 1 << 20}
    write_json(folder / "config.json", config)


def a_model_larger_than_its_weights(folder: Path, canary: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["decoder"] |= {"n_layer": 128, "n_embd": 8192, "n_head": 128}
    write_json(folder / "config.json", config)


def sizes_that_are_no_numbers(folder: Path, canary: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["encoder"]["hidden_size"] = "__import__('os').system('true')"
    write_json(folder / "config.json", config)


def settings_nested_without_end(folder: Path, canary: Path) -> None:
    (folder / "config.json").write_text('{"a":' * 100_000 + "1" + "}" * 100_000)


def settings_of_ten_megabytes(folder: Path, canary: Path) -> None:
    write_json(folder / "config.json", {"padding": "x" * 10_000_000})


def a_manifest_that_names_other_files(folder: Path, canary: Path) -> None:
    known = {"sha256": "0" * 64, "size": 1}
    write_json(
        folder / "manifest.json",
        {
            "source": "demo",
            "revision": "x",
            "licence": "x",
            "fetched_at": "x",
            "files": {"../../etc/passwd": known},
            "published": {},
        },
    )


def rewrite_header(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8 : 8 + length])
    changed = {name: value if name == "__metadata__" else change(value) for name, value in header.items()}
    text = json.dumps(changed).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + length :])


HOSTILE = [
    pickled_weights_only,
    pickled_weights_beside_good_ones,
    pickled_weights_in_a_subfolder,
    pickle_named_safetensors,
    code_of_its_own,
    code_in_another_repository,
    code_for_its_decoder,
    code_for_its_pictures,
    code_for_its_tokenizer,
    a_wish_to_be_trusted,
    a_decoding_loop_of_its_own,
    an_adapter_on_another_model,
    weights_split_with_a_way_out,
    weights_linked_from_elsewhere,
    a_folder_linked_from_elsewhere,
    a_header_longer_than_the_file,
    a_header_of_ninety_megabytes,
    tensors_beyond_the_end,
    tensors_over_each_other,
    tensors_larger_than_their_bytes,
    a_model_of_a_terabyte,
    a_model_larger_than_its_weights,
    sizes_that_are_no_numbers,
    settings_nested_without_end,
    settings_of_ten_megabytes,
    a_manifest_that_names_other_files,
]


@pytest.mark.parametrize("spoil", HOSTILE, ids=lambda spoil: spoil.__name__)
def test_it_refuses_a_hostile_folder_and_runs_nothing(
    checkpoint: Path, tmp_path: Path, spoil: Callable[[Path, Path], None]
) -> None:
    canary = tmp_path / "canary"
    folder = copy_of(checkpoint, tmp_path / "model")
    spoil(folder, canary)
    with pytest.raises((ModelNotVerified, ModelUnsupported)) as caught:
        load(str(folder), device="cpu")
    assert len(str(caught.value)) > 30, "a refusal says why"
    assert not canary.exists()


def test_it_would_notice_code_that_runs(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    pickle.loads(pickle.dumps(Bomb(canary)))
    assert canary.exists()
    exec(code(tmp_path / "other"))
    assert (tmp_path / "other").exists()


def test_it_takes_no_attention_kernel_from_the_hub(checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    for part in (config, config["encoder"], config["decoder"]):
        part |= {"_attn_implementation": "evil/kernels", "attn_implementation": "evil/kernels"}
    write_json(folder / "config.json", config)
    code = (
        f"import sys; from worker.engine import load; load({str(folder)!r}, device='cpu');"
        "print(sorted({'transformers', 'kernels'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", "a library that follows such hints was asked"


def bomb_alone(folder: Path, canary: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(canary)))


def bomb_among_weights(folder: Path, canary: Path) -> None:
    torch.save({"encoder.weight": torch.zeros(2), "bomb": Bomb(canary)}, folder / "pytorch_model.bin")


def no_table(folder: Path, canary: Path) -> None:
    torch.save([torch.zeros(2)], folder / "pytorch_model.bin")


def nested_table(folder: Path, canary: Path) -> None:
    torch.save({"state": {"weight": torch.zeros(2)}}, folder / "pytorch_model.bin")


def noise(folder: Path, canary: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(bytes(range(256)) * 40)


def code_hint(folder: Path, canary: Path) -> None:
    edit_json(folder / "config.json", auto_map={"AutoModel": "evil--modeling.Model"})


@pytest.mark.parametrize("spoil", [bomb_alone, bomb_among_weights, no_table, nested_table, noise])
def test_it_converts_nothing_but_a_table_of_weights(tmp_path: Path, spoil: Callable[[Path, Path], None]) -> None:
    canary = tmp_path / "canary"
    spoil(tmp_path, canary)
    with pytest.raises(ModelNotVerified):
        convert.convert(tmp_path / "pytorch_model.bin", tmp_path / "model.safetensors")
    assert not canary.exists()
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize("spoil", [bomb_among_weights, code_hint])
def test_it_takes_nothing_hostile_from_the_hub_into_the_store(
    checkpoint: Path, tmp_path: Path, hub: HubServer, spoil: Callable[[Path, Path], None]
) -> None:
    canary, store = tmp_path / "canary", tmp_path / "store"
    folder = published_checkpoint(tmp_path / "published", checkpoint)
    spoil(folder, canary)
    hub.offer(SOURCE, REVISION, folder)
    with pytest.raises(ModelNotVerified):
        fetch(f"{SOURCE}@{REVISION}", store=store)
    assert not canary.exists()
    assert stored(store) == []
    assert not list(store.rglob("*.bin")), "a refused pickle stays on the disk"


def test_it_reads_a_pickle_without_the_parents_secrets(checkpoint: Path, tmp_path: Path) -> None:
    # The child that reads pickles gets no environment beyond what Python itself needs.
    seen: dict[str, Any] = {}
    whole = subprocess.run

    def run(command: list[str], **options: Any) -> Any:
        seen.update(options["env"])
        return whole(command, **options)

    folder = published_checkpoint(tmp_path / "published", checkpoint)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", "postgres://secret")
        patch.setattr(convert.subprocess, "run", run)
        convert.to_safetensors(folder / "pytorch_model.bin", tmp_path / "model.safetensors")
    assert seen.keys() <= {"PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT", "OMP_NUM_THREADS"}
    assert (tmp_path / "model.safetensors").is_file()
