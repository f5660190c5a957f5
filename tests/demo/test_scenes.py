"""Scenes: the same for the same seed, and each picture allows one caption only."""

import io
import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from worker.demo import scenes
from worker.demo.network import LONGEST, MAX_LENGTH, UNKNOWN, build_tokenizer, encode
from worker.demo.scenes import (
    BACKGROUNDS,
    COLOURS,
    RELATIONS,
    SHAPES,
    SIZES,
    Attributes,
    Thing,
    attributes_right,
    difference,
    evaluation_seeds,
    jpeg,
    make_scene,
    mention_order,
    mirrored,
    parse,
    picture,
    relation,
)

SEEDS = st.integers(0, 2_000_000_000 - 1)
MANY = range(40_000, 42_000)


def test_it_knows_enough_words():
    assert len(SHAPES) >= 8
    assert len(COLOURS) >= 10
    assert len(BACKGROUNDS) >= 8
    assert set(RELATIONS) == {"above", "below", "left of", "right of", "inside"}


def test_it_shows_every_word_often_enough_to_be_learnt():
    slots = [slot for seed in MANY for slot in make_scene(seed).attributes.slots()]
    words = {*SHAPES, *COLOURS, *BACKGROUNDS, *RELATIONS, *SIZES}
    assert set(slots) == words
    assert min(slots.count(word) for word in words) > 100


def test_it_draws_one_to_three_shapes_about_equally_often():
    counts = [len(make_scene(seed).items) for seed in MANY]
    assert all(0.3 < counts.count(count) / len(counts) < 0.37 for count in (1, 2, 3))


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_it_draws_the_same_bytes_for_the_same_seed(seed):
    assert make_scene(seed) == make_scene(seed)
    assert jpeg(make_scene(seed)) == jpeg(make_scene(seed))


def test_it_draws_the_same_bytes_in_another_process():
    program = (
        "import hashlib; from worker.demo.scenes import jpeg, make_scene;"
        "print(hashlib.sha256(b''.join(jpeg(make_scene(s)) for s in range(5))).hexdigest())"
    )
    runs = {subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout for _ in range(2)}
    assert len(runs) == 1


@settings(max_examples=300, deadline=None)
@given(SEEDS)
def test_it_writes_captions_that_parse_back_into_the_attributes(seed):
    scene = make_scene(seed)
    assert parse(scene.caption) == scene.attributes
    assert scene.attributes.caption == scene.caption


def test_it_reads_like_alternative_text():
    sentence = Attributes(
        background="light blue",
        things=(Thing("large", "red", "circle"), Thing("small", "blue", "star"), Thing("small", "pink", "ring")),
        relations=("above", "left of"),
    ).caption
    assert sentence == (
        "a large red circle above a small blue star and left of a small pink ring on a light blue background"
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_keeps_captions_within_the_published_length(count):
    tokenizer = build_tokenizer()
    for seed in range(300):
        caption = make_scene(seed, count=count).caption
        ids = encode(tokenizer, caption)
        assert len(ids) == LONGEST < MAX_LENGTH  # the start token comes on top
        assert UNKNOWN not in ids
        assert tokenizer.decode(ids, skip_special_tokens=True) == caption
        assert len(caption.split()) <= 24


def test_it_leaves_no_doubt_about_any_of_two_thousand_scenes():
    for seed in MANY:
        scene = make_scene(seed)
        width, height = (side / min(scene.size) for side in scene.size)
        inside = "inside" in scene.attributes.relations
        for item in scene.items:
            assert not 0.105 < item.radius < 0.155, "neither small nor large"
            assert (item.radius > 0.13) == (item.size == "large")
            assert item.reach < item.centre[0] < width - item.reach, "cut off"
            assert item.reach < item.centre[1] < height - item.reach, "cut off"
            assert difference(COLOURS[item.colour], BACKGROUNDS[scene.background]) >= 35
        for a, b in itertools.combinations(scene.items, 2):
            assert (a.shape, a.colour) != (b.shape, b.colour)
            if inside and {a, b} == set(scene.items[:2]):
                assert b.reach * 0.63 > a.reach + math.dist(a.centre, b.centre) - 0.02, "sticks out"
                assert difference(COLOURS[a.colour], COLOURS[b.colour]) >= 35
            else:
                assert math.dist(a.centre, b.centre) > a.reach + b.reach, "touch"
        for how, other in zip(scene.attributes.relations, scene.items[1:], strict=True):
            if how != "inside":
                dx, dy = (scene.items[0].centre[axis] - other.centre[axis] for axis in (0, 1))
                across, along = sorted((abs(dx), abs(dy)))
                assert across < 0.5 * along, "diagonal"
                assert how == (("left of", "right of")[dx > 0] if abs(dx) > abs(dy) else ("above", "below")[dy > 0])


def test_it_finds_the_order_of_the_caption_from_the_picture_alone():
    for seed in MANY:
        scene = make_scene(seed)
        for items in itertools.permutations(scene.items):
            assert mention_order(items) == scene.items


def test_it_names_the_larger_first_unless_it_holds_another():
    for seed in MANY:
        scene = make_scene(seed)
        sizes = [item.size for item in scene.items]
        if "inside" in scene.attributes.relations:
            assert sizes[:2] == ["small", "large"]
        else:
            assert sizes == sorted(sizes)  # "large" comes before "small"


def test_it_shows_in_the_picture_what_the_caption_says():
    for seed in range(60):
        scene = make_scene(seed)
        levels = np.asarray(picture(scene), dtype=np.float32)
        palette = {**COLOURS, "ground": scene.rgb}
        distance = np.stack([np.abs(levels - np.float32(rgb)).sum(axis=2) for rgb in palette.values()])
        named = np.array(list(palette))[distance.argmin(axis=0)]
        short = min(scene.size)
        rows, columns = np.mgrid[: scene.size[1], : scene.size[0]] / short
        for item in scene.items:
            near = np.hypot(columns - item.centre[0], rows - item.centre[1]) <= item.reach
            assert (named[near] == item.colour).mean() > 0.2, (seed, item)


def test_it_mirrors_left_and_right():
    scene = next(s for s in map(make_scene, itertools.count()) if s.attributes.relations == ("right of",))
    flipped = mirrored(scene)
    assert relation(flipped.items[0], flipped.items[1]) == "left of"
    assert mirrored(flipped).caption == scene.caption


def test_it_compresses_pictures_of_real_size():
    sizes = set()
    for seed in range(60):
        with Image.open(io.BytesIO(jpeg(make_scene(seed)))) as image:
            assert image.format == "JPEG"
            assert min(image.size) >= 240
            assert max(image.size) <= 512
            sizes.add(image.size)
    assert len(sizes) > 5


def test_it_never_evaluates_on_scenes_it_trained_on():
    ranges = (scenes.TRAINING_SEEDS, scenes.VALIDATION_SEEDS, scenes.EVALUATION_SEEDS)
    for a, b in itertools.combinations(ranges, 2):
        assert a.stop <= b.start or b.stop <= a.start
    for seed in (0, 1, 9_999):
        fresh = evaluation_seeds(seed, 2_000)
        assert fresh.start in scenes.EVALUATION_SEEDS
        assert fresh[-1] in scenes.EVALUATION_SEEDS
    assert not set(evaluation_seeds(0, 2_000)) & set(evaluation_seeds(1, 2_000))


@pytest.mark.parametrize(("seed", "count"), [(-1, 5), (10_000, 5), (0, 0), (0, 100_001)])
def test_it_refuses_evaluations_that_would_overlap(seed, count):
    with pytest.raises(ValueError, match="seed must be"):
        evaluation_seeds(seed, count)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("a large red circle above a small blue star on a gray background", 8),
        ("a large red circle above a small blue star on a black background", 7),
        ("a large red circle below a small blue ring on a gray background", 6),
        ("a small blue star above a large red circle on a gray background", 2),
        ("a large red circle on a gray background", 4),
        ("a dog on a beach", 0),
        ("", 0),
    ],
)
def test_it_counts_the_attributes_a_caption_gets_right(text, right):
    expected = parse("a large red circle above a small blue star on a gray background")
    assert expected is not None
    assert attributes_right(expected, text) == (right, 8)


def test_it_counts_a_shape_too_many_as_wrong():
    expected = parse("a large red circle on a gray background")
    assert expected is not None
    assert attributes_right(expected, "a large red circle above a small blue star on a gray background") == (4, 8)


def test_it_writes_example_pictures_named_after_their_captions(tmp_path):
    command = [sys.executable, "-m", "worker.demo.scenes", str(tmp_path), "--count", "3", "--seed", "4"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [caption for _, caption in lines] == [make_scene(seed).caption for seed in evaluation_seeds(4, 3)]
    for path, caption in lines:
        assert all(f"{thing.colour}-{thing.shape}" in path for thing in parse(caption).things)
        with Image.open(path) as image:
            image.verify()
