"""Training: every step depends on the recipe and its number only, and a kill costs nothing but time."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from worker.demo.network import Dimensions, build_tokenizer, export
from worker.demo.pool import COUNTS, pool_for, validation_rows
from worker.demo.scenes import BACKGROUNDS, COLOURS, SHAPES, SIZES, VALIDATION_SEEDS, make_scene, mirrored, parse
from worker.demo.train import Course, Recipe, background, batch_of, main, needed, pace, shares

TINY = Dimensions(image=40, patch=10, hidden=32, heads=2, encoder_layers=1, decoder_layers=1)
RECIPE = Recipe(cycles=(8,), batch=6, scenes=60, warmup=2, curriculum=4, head_start=12, dimensions=TINY)


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    pool = pool_for(tmp_path_factory.mktemp("pool"), RECIPE.seed, RECIPE.scenes, TINY)
    pool.fill()
    return pool


@pytest.fixture(scope="module")
def rows(pool):
    return pool.rows()


def words(tokens):
    return build_tokenizer().decode(tokens.tolist(), skip_special_tokens=True)


def run(course, rows, steps):
    return [course.train_step(rows) for _ in range(steps)]


def flat(state, path=""):
    if isinstance(state, dict):
        return {k: v for name, value in state.items() for k, v in flat(value, f"{path}/{name}").items()}
    if isinstance(state, list):
        return flat(dict(enumerate(state)), path)
    return {path: state}


def assert_same_bits(a, b):
    a, b = flat(a), flat(b)
    assert a.keys() == b.keys()
    assert sum(torch.is_tensor(value) for value in a.values()) > 100
    for name, value in a.items():
        assert torch.equal(value, b[name]) if torch.is_tensor(value) else value == b[name], name


def test_it_learns(rows):
    losses = [written for written, _ in run(Course(replace(RECIPE, cycles=(60,), cooldown=0.2)), rows, 60)]
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:5])


@pytest.mark.parametrize("bfloat16", [False, True])
def test_it_resumes_to_the_bits_of_a_training_that_ran_through(rows, tmp_path, bfloat16):
    recipe = replace(RECIPE, bfloat16=bfloat16)
    through, broken = Course(recipe), Course(recipe)
    run(through, rows, 8)
    run(broken, rows, 5)
    broken.save(tmp_path / "checkpoint.pt")
    resumed = Course(replace(recipe))
    resumed.load(tmp_path / "checkpoint.pt")
    run(resumed, rows, 3)
    resumed.save(tmp_path / "resumed.pt")
    through.save(tmp_path / "through.pt")
    assert_same_bits(torch.load(tmp_path / "resumed.pt"), torch.load(tmp_path / "through.pt"))


def test_it_depends_on_its_seed(rows):
    assert run(Course(RECIPE), rows, 2) == run(Course(RECIPE), rows, 2)
    assert run(Course(RECIPE), rows, 2) != run(Course(replace(RECIPE, seed=2)), rows, 2)


def test_it_refuses_a_checkpoint_of_another_recipe(tmp_path):
    Course(RECIPE).save(tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="other values of: batch, learning_rate"):
        Course(replace(RECIPE, batch=7, learning_rate=1.0)).load(tmp_path / "checkpoint.pt")


def test_it_takes_other_cycles_while_they_have_made_no_difference(rows, tmp_path):
    course = Course(RECIPE)
    run(course, rows, 5)
    course.save(tmp_path / "early.pt")
    run(course, rows, 1)
    course.save(tmp_path / "late.pt")
    run(course, rows, 2)
    course.save(tmp_path / "end.pt")
    longer, further = replace(RECIPE, cycles=(20,)), replace(RECIPE, cycles=(8, 3))
    for file, recipe in (("early.pt", longer), ("early.pt", further), ("late.pt", further), ("end.pt", further)):
        Course(recipe).load(tmp_path / file)
    with pytest.raises(ValueError, match="other values of: cycles"):
        Course(longer).load(tmp_path / "late.pt")


def test_it_warms_up_stays_and_falls_to_nothing_in_each_cycle():
    recipe = Recipe(cycles=(1000, 500), warmup=100, cooldown=0.4, restart=0.5)
    rates = [pace(recipe, step) for step in range(1500)]
    assert rates[:100] == sorted(rates[:100])
    assert set(rates[100:601]) == {1.0}
    assert rates[600:1000] == sorted(rates[600:1000], reverse=True)
    assert rates[999] < 1e-4
    assert rates[1000:1100] == sorted(rates[1000:1100])
    assert set(rates[1100:1301]) == {0.5}
    assert rates[1300:] == sorted(rates[1300:], reverse=True)
    assert rates[1499] < 1e-4


def test_it_moves_from_single_shapes_to_three():
    assert shares(RECIPE, 0) == pytest.approx((0.7, 0.2, 0.1))
    assert shares(RECIPE, 4) == shares(RECIPE, 8) == pytest.approx((0.15, 0.3, 0.55))


def test_it_draws_only_from_rows_that_must_be_ready():
    assert needed(RECIPE, 0) == 12
    assert needed(RECIPE, 1) == 12  # 15 rows, in whole rounds of COUNTS
    assert needed(RECIPE, 1_000) == 60


def test_it_draws_each_pool_row_as_its_seed_says(rows):
    for row in range(12):
        scene = make_scene(RECIPE.seed * 1_000_000 + row, count=COUNTS[row % 6])
        assert words(rows.tokens[row, 0]) == scene.caption
        if rows.mirrors[row]:
            assert words(rows.tokens[row, 1]) == mirrored(scene).caption
    assert 0.4 < rows.mirrors.mean() < 1


def test_it_goes_on_drawing_where_it_was_stopped(rows, tmp_path):
    pool = pool_for(tmp_path, RECIPE.seed, RECIPE.scenes, TINY)
    pool.fill()
    before = pool.rows().pictures.copy()
    assert np.array_equal(before, rows.pictures)
    pool.rows("r+").pictures[40:] = 0
    (tmp_path / "ready.json").write_text((tmp_path / "ready.json").read_text().replace('"ready": 60', '"ready": 40'))
    pool.fill()
    assert np.array_equal(pool.rows().pictures, before)
    assert pool_for(tmp_path, RECIPE.seed + 1, RECIPE.scenes, TINY).ready() == 0


def test_it_tells_each_batch_what_lies_on_every_patch(rows):
    pixels, tokens, labels = batch_of(RECIPE, rows, 3)
    assert pixels.shape == (6, 3, 40, 40)
    assert pixels.abs().max() <= 1
    assert torch.equal(batch_of(RECIPE, rows, 3)[0], pixels)
    for caption, name, patches in zip(map(words, tokens), background(tokens).tolist(), labels.numpy(), strict=True):
        attributes = parse(caption)
        assert tuple(BACKGROUNDS)[name] == attributes.background
        seen = {
            (SIZES[size - 1], tuple(COLOURS)[colour - 1], SHAPES[shape - 1])
            for shape, colour, size in patches[patches.any(axis=1)]
        }
        assert seen == {(thing.size, thing.colour, thing.shape) for thing in attributes.things}


def test_it_validates_on_scenes_of_their_own():
    pictures, tokens = validation_rows(3, 40)
    assert pictures.shape == (3, 40, 40, 3)
    assert [words(row) for row in tokens] == [make_scene(seed).caption for seed in VALIDATION_SEEDS[:3]]


def test_it_survives_a_kill_and_writes_the_folder(tmp_path: Path, capsys):
    """The command, killed after its first checkpoint and resumed, against the same training in one go."""
    steps = ["--steps", "4", "--batch", "3", "--scenes", "24", "--validation", "5", "--every", "1"]
    command = [sys.executable, "-m", "worker.demo.train", *steps, "--work", str(tmp_path / "work")]
    command += ["--output", str(tmp_path / "model")]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    line = first.stdout.readline()
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert line.startswith("step 1 of 4"), line
    assert not (tmp_path / "model").exists()

    assert main(command[3:]) == 2
    assert "--resume" in capsys.readouterr().err
    resumed = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr

    recipe = Recipe(cycles=(4,), batch=3, scenes=24)
    course = Course(recipe)
    run(course, pool_for(tmp_path / "work" / "pool", recipe.seed, recipe.scenes, recipe.dimensions).rows(), 4)
    export(course.mean.captioner, tmp_path / "through")
    assert (tmp_path / "model" / "model.safetensors").stat().st_size > 1_000_000
    for file in (tmp_path / "through").iterdir():
        assert (tmp_path / "model" / file.name).read_bytes() == file.read_bytes(), file.name
