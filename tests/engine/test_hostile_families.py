"""Folders of every family made to run code, to lie or to fill the memory: each is refused in words, nothing runs."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from captions.params import GenerationParams
from tests.engine.checkpoints import copy_of, edit_json, write_json
from tests.engine.family_checkpoints import KINDS, family_checkpoint, tokenizer
from tests.engine.test_hostile_models import Bomb, code
from worker.engine import families, load, looking
from worker.engine.errors import ModelNotVerified, ModelUnsupported

EVIL = "evil/captions--modeling.Model"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {kind: family_checkpoint(root / kind, kind) for kind in KINDS}


def change(folder: Path, part: str, **values: Any) -> None:
    """Change one section of config.json; "" is the outermost."""
    config = json.loads((folder / "config.json").read_text())
    (config[part] if part else config).update(values)
    write_json(folder / "config.json", config)


def code_of_its_own(folder: Path, canary: Path) -> None:
    (folder / "modeling.py").write_text(code(canary))


def code_by_its_settings(folder: Path, canary: Path) -> None:
    change(folder, "", auto_map={"AutoModel": EVIL})


def code_by_its_vision_part(folder: Path, canary: Path) -> None:
    change(folder, "vision_config", auto_map={"AutoModel": EVIL})


def code_by_its_pictures(folder: Path, canary: Path) -> None:
    edit_json(folder / "preprocessor_config.json", auto_map={"AutoImageProcessor": EVIL})


def code_by_its_processor(folder: Path, canary: Path) -> None:
    write_json(folder / "processor_config.json", {"auto_map": {"AutoProcessor": EVIL}})


def a_pickle_beside(folder: Path, canary: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(canary)))


def an_adapter(folder: Path, canary: Path) -> None:
    write_json(folder / "adapter_config.json", {"base_model_name_or_path": "evil/base"})


def quantised_weights(folder: Path, canary: Path) -> None:
    change(folder, "", quantization_config={"quant_method": "evil"})


def another_architecture(folder: Path, canary: Path) -> None:
    change(folder, "", architectures=["LlavaForConditionalGeneration"])


def another_kind(folder: Path, canary: Path) -> None:
    change(folder, "", model_type="../../evil")


def a_kind_that_is_a_list(folder: Path, canary: Path) -> None:
    change(folder, "", model_type=["blip"])


def pictures_prepared_by_another_class(folder: Path, canary: Path) -> None:
    edit_json(folder / "preprocessor_config.json", image_processor_type="EvilImageProcessor")


def pictures_of_a_million_pixels_a_side(folder: Path, canary: Path) -> None:
    change_size = {"height": 1 << 20, "width": 1 << 20, "longest_edge": 1 << 20}
    edit_json(folder / "preprocessor_config.json", size=change_size, min_pixels="a", max_pixels=-1)


def brightness_without_end(folder: Path, canary: Path) -> None:
    edit_json(folder / "preprocessor_config.json", image_std=[0.0, 0.0, 0.0])


def a_vision_part_of_a_terabyte(folder: Path, canary: Path) -> None:
    change(folder, "vision_config", hidden_size=1 << 30, embed_dim=1 << 30)


def a_vision_part_larger_than_its_weights(folder: Path, canary: Path) -> None:
    change(folder, "vision_config", num_hidden_layers=128, depth=128, depths=[64, 64], intermediate_size=32768)


def pictures_cut_into_dust(folder: Path, canary: Path) -> None:
    change(folder, "vision_config", image_size=4096, patch_size=1)
    edit_json(folder / "preprocessor_config.json", min_pixels=1 << 19, max_pixels=1 << 20)


def sizes_that_are_words(folder: Path, canary: Path) -> None:
    change(folder, "vision_config", patch_size="__import__('os').system('true')")


def sizes_below_nothing(folder: Path, canary: Path) -> None:
    change(folder, "vision_config", patch_size=-8)


def an_activation_of_its_own(folder: Path, canary: Path) -> None:
    change(folder, "vision_config", hidden_act="evil", activation_function=["evil"])


def tokens_that_are_no_numbers(folder: Path, canary: Path) -> None:
    edit_json(folder / "generation_config.json", eos_token_id="</s>")


def fewer_weights_than_it_needs(folder: Path, canary: Path) -> None:
    state = load_file(folder / "model.safetensors")
    del state[next(name for name in sorted(state) if "vision" in name or "visual" in name or "image" in name)]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def no_tokenizer(folder: Path, canary: Path) -> None:
    (folder / "tokenizer.json").unlink()


def an_empty_tokenizer(folder: Path, canary: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


HOSTILE = [
    code_of_its_own,
    code_by_its_settings,
    code_by_its_vision_part,
    code_by_its_pictures,
    code_by_its_processor,
    a_pickle_beside,
    an_adapter,
    quantised_weights,
    another_architecture,
    another_kind,
    a_kind_that_is_a_list,
    pictures_prepared_by_another_class,
    pictures_of_a_million_pixels_a_side,
    brightness_without_end,
    a_vision_part_of_a_terabyte,
    a_vision_part_larger_than_its_weights,
    pictures_cut_into_dust,
    sizes_that_are_words,
    sizes_below_nothing,
    an_activation_of_its_own,
    tokens_that_are_no_numbers,
    fewer_weights_than_it_needs,
    no_tokenizer,
    an_empty_tokenizer,
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spoil", HOSTILE, ids=lambda spoil: spoil.__name__)
def test_it_refuses_a_hostile_folder_and_runs_nothing(
    folders: dict[str, Path], tmp_path: Path, kind: str, spoil: Callable[[Path, Path], None]
) -> None:
    canary = tmp_path / "canary"
    folder = copy_of(folders[kind], tmp_path / "model")
    spoil(folder, canary)
    with pytest.raises((ModelNotVerified, ModelUnsupported)) as caught:
        load(str(folder), device="cpu")
    assert len(str(caught.value)) > 30, "a refusal says why"
    assert not canary.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_it_takes_no_attention_kernel_from_the_hub(folders: dict[str, Path], tmp_path: Path, kind: str) -> None:
    folder = copy_of(folders[kind], tmp_path / "model")
    for part in ("", "vision_config"):
        change(folder, part, _attn_implementation="evil/kernels", attn_implementation="evil/kernels")
    loaded: Any = load(str(folder), device="cpu")
    used = {part.config._attn_implementation for part in loaded._voice.model.modules() if hasattr(part, "config")}
    assert used <= {"sdpa", "eager"}


@pytest.mark.parametrize("kind", ["idefics3", "qwen2_vl"])
def test_it_runs_no_template_of_the_folder(folders: dict[str, Path], tmp_path: Path, kind: str) -> None:
    folder = copy_of(folders[kind], tmp_path / "model")
    wish = "{{ cycler.__init__.__globals__.os.system('touch ' ~ '" + str(tmp_path / "canary") + "') }}"
    (folder / "chat_template.jinja").write_text(wish)
    write_json(folder / "chat_template.json", {"chat_template": wish})
    edit_json(folder / "tokenizer_config.json", chat_template=wish)
    picture, params = Image.new("RGB", (20, 30), "red"), GenerationParams(num_beams=1, max_length=6)
    spoilt = load(str(folder), device="cpu").caption([picture], params)
    assert spoilt == load(str(folders[kind]), device="cpu").caption([picture], params)
    assert not (tmp_path / "canary").exists()


def test_it_refuses_a_tokenizer_that_knows_no_pictures(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy_of(folders["smolvlm"], tmp_path / "model")
    change(folder, "", image_token_id=7)
    with pytest.raises(ModelUnsupported, match="does not know <image>"):
        load(str(folder), device="cpu")


def test_it_finds_at_once_that_pictures_and_model_do_not_fit(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy_of(folders["blip"], tmp_path / "model")
    edit_json(folder / "preprocessor_config.json", size={"height": 64, "width": 64})
    with pytest.raises(ModelUnsupported, match="cannot see what its files say"):
        load(str(folder), device="cpu")


def test_it_refuses_another_language_model_inside(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy_of(folders["blip-2"], tmp_path / "model")
    change(folder, "text_config", model_type="t5")
    with pytest.raises(ModelUnsupported, match="inside is a 't5'"):
        load(str(folder), device="cpu")


def test_it_reads_the_first_form_of_a_qwen(folders: dict[str, Path], tmp_path: Path) -> None:
    # One flat config.json, the old name of the turning, and weights under the names of their time.
    folder = copy_of(folders["qwen2_vl"], tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    text = config.pop("text_config")
    turning = text.pop("rope_parameters")
    old = {"type": "mrope", "mrope_section": turning["mrope_section"]}
    config |= text | {"model_type": "qwen2_vl", "rope_theta": turning["rope_theta"], "rope_scaling": old}
    config["vision_config"] |= {"model_type": "qwen2_vl", "in_chans": 3, "spatial_patch_size": 8}
    write_json(folder / "config.json", config)
    state = {
        name.replace("model.visual.", "visual.").replace("model.language_model.", "model."): weight
        for name, weight in load_file(folder / "model.safetensors").items()
    }
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    picture, params = Image.new("RGB", (20, 30), "red"), GenerationParams(num_beams=2, max_length=8)
    found = load(str(folder), device="cpu").caption([picture], params)
    assert found == load(str(folders["qwen2_vl"]), device="cpu").caption([picture], params)


def test_it_reads_pictures_settings_where_newer_folders_keep_them(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy_of(folders["blip"], tmp_path / "model")
    nested = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    write_json(folder / "processor_config.json", {"image_processor": nested, "processor_class": "BlipProcessor"})
    assert looking.settings(folder) == nested
    picture, params = Image.new("RGB", (20, 30), "red"), GenerationParams(num_beams=1)
    found = load(str(folder), device="cpu").caption([picture], params)
    assert found == load(str(folders["blip"]), device="cpu").caption([picture], params)


def test_it_bounds_pictures_of_free_size() -> None:
    family = families.FAMILIES["qwen2_vl"]
    size = looking.plain({"min_pixels": 3136, "max_pixels": 12_845_056}, family)["size"]
    assert size == {"shortest_edge": 3136, "longest_edge": looking.MOST_PIXELS}


def test_it_spells_the_prompt_whatever_the_tokenizer_cuts_at(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy_of(folders["smolvlm"], tmp_path / "model")
    cutting = tokenizer().backend_tokenizer
    cutting.enable_truncation(5)
    cutting.enable_padding(length=400)
    cutting.save(str(folder / "tokenizer.json"))
    picture, params = Image.new("RGB", (20, 30), "red"), GenerationParams(num_beams=1)
    found = load(str(folder), device="cpu").caption([picture], params)
    assert found == load(str(folders["smolvlm"]), device="cpu").caption([picture], params)


@pytest.mark.parametrize("kind", ["blip", "blip-2"])
def test_it_takes_tokens_from_the_text_part_as_transformers_does(
    folders: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    folder = copy_of(folders[kind], tmp_path / "model")
    edit_json(folder / "generation_config.json", bos_token_id=1, eos_token_id=2, pad_token_id=3)
    picture, params = Image.new("RGB", (20, 30), "red"), GenerationParams(num_beams=1, max_length=40)
    found = load(str(folder), device="cpu").caption([picture], params)
    assert found == load(str(folders[kind]), device="cpu").caption([picture], params)
