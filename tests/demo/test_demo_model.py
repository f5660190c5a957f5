"""The bundled demo model: small, of the published model's kind, and right about what it claims to know."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from captions.params import GenerationParams, defaults_from
from worker.demo import scenes
from worker.demo.evaluate import captions_of, evaluate
from worker.demo.scenes import evaluation_seeds, examples, make_scene
from worker.engine import load

FOLDER = Path(scenes.__file__).parent
MODEL = FOLDER / "model"
PICTURES = sorted((FOLDER / "examples").glob("*.jpg"))

# The first twenty scenes of evaluation 20, chosen before any model had seen them.
TWENTY = evaluation_seeds(20, 20)
CAPTIONS = (
    "a large red triangle left of a small pink heart on a gray background",
    "a large red crescent below a small orange circle and left of a small purple star on a light green background",
    "a large red heart left of a large orange crescent and below a small orange triangle on a dark green background",
    "a large yellow crescent below a small blue ring on a gray background",
    "a small red ring inside a large brown circle and right of a small white star on a dark blue background",
    "a large orange crescent below a small orange star on a white background",
    "a large brown square right of a small purple circle on a gray background",
    "a large red star on a dark green background",
    "a large blue crescent below a small blue triangle on a light green background",
    "a large white star above a large purple heart and left of a small brown circle on a gray background",
    "a large orange circle below a small orange crescent on a light blue background",
    "a large green cross above a large red square and right of a small orange crescent on a white background",
    "a large red ring above a small brown triangle on a light green background",
    "a large yellow cross below a small blue star on a light green background",
    "a small blue heart inside a large orange square on a light green background",
    "a small yellow ring on a dark green background",
    "a small blue star inside a large green ring on a black background",
    "a large blue crescent right of a small black circle and above a small red heart on a gray background",
    "a large brown crescent below a small green triangle and right of a small orange circle on a black background",
    "a large red square on a dark blue background",
)


@pytest.fixture(scope="module")
def captioner():
    return load("demo", revision=None, device="cpu", precision="fp32")


def test_it_captions_twenty_fixed_scenes_exactly(captioner):
    found = captions_of(captioner, [make_scene(seed) for seed in TWENTY])
    assert dict(zip(TWENTY, found, strict=True)) == dict(zip(TWENTY, CAPTIONS, strict=True))


def test_it_describes_the_twenty_scenes_as_they_were_drawn():
    assert tuple(make_scene(seed).caption for seed in TWENTY) == CAPTIONS


def test_it_captions_the_three_example_pictures(captioner):
    assert len(PICTURES) == 3
    drawn = {"-".join(f"{item.colour}-{item.shape}" for item in scene.items): scene for scene in examples()}
    for path in PICTURES:
        with Image.open(path) as image:
            assert image.size == (640, 480)
            [[candidate]] = captioner.caption([image.convert("RGB")], defaults_from(captioner.defaults))
        assert candidate.text == drawn[path.stem].caption
        assert path.stat().st_size < 60_000


def test_it_holds_its_figures_on_fresh_scenes(captioner):
    """A sample of 60: the full figure takes `python -m worker.demo.evaluate --scenes 2000`."""
    result = evaluate(captioner, evaluation_seeds(21, 60), batch=20).result()
    assert result["scenes"] == 60
    assert result["exact_match"] >= 0.9  # 0.95 of few scenes would fail by chance
    assert result["attribute_accuracy"] >= 0.98


def test_it_fits_into_the_published_models_parameters(captioner):
    ours = defaults_from(captioner.defaults)
    assert (ours.max_length, ours.num_beams) == (16, 4)
    three = [make_scene(seed, count=3) for seed in evaluation_seeds(22, 4)]
    candidates = captioner.caption([scenes.picture(scene) for scene in three], GenerationParams(num_beams=1))
    for [candidate] in candidates:
        assert candidate.text.endswith("background")
        assert len(candidate.token_ids) + 1 < ours.max_length


def test_it_says_that_it_is_the_demo(captioner):
    assert captioner.is_demo
    assert captioner.name == "demo"
    assert captioner.revision


def test_it_weighs_at_most_twelve_megabytes():
    assert (MODEL / "model.safetensors").stat().st_size <= 12_000_000
    assert sum(path.stat().st_size for path in MODEL.iterdir()) <= 12_500_000


def test_it_is_of_the_published_models_classes():
    config = json.loads((MODEL / "config.json").read_text())
    assert config["architectures"] == ["VisionEncoderDecoderModel"]
    assert (config["encoder"]["model_type"], config["decoder"]["model_type"]) == ("vit", "gpt2")
    assert config["decoder"]["add_cross_attention"] is True
    preprocessing = json.loads((MODEL / "preprocessor_config.json").read_text())
    assert preprocessing["feature_extractor_type"] == "ViTFeatureExtractor"
    assert preprocessing["size"] == config["encoder"]["image_size"]


def test_it_says_on_its_card_what_it_knows():
    card = (MODEL / "MODEL_CARD.md").read_text()
    words = (*scenes.SHAPES, *scenes.COLOURS, *scenes.BACKGROUNDS, *scenes.RELATIONS)
    assert [word for word in words if word not in card] == []
    assert "python -m worker.demo.train" in card
    assert "python -m worker.demo.evaluate" in card


def test_it_prints_its_figures_as_json_last():
    command = [sys.executable, "-m", "worker.demo.evaluate", "--scenes", "6", "--batch", "4", "--threads", "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result) == {"scenes", "exact_match", "attribute_accuracy"}
    assert result["scenes"] == 6
    assert "4 of 6 scenes" in done.stderr


def test_it_says_what_is_wrong_with_a_model_that_cannot_be_loaded(tmp_path):
    command = [sys.executable, "-m", "worker.demo.evaluate", "--scenes", "1", "--model", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
