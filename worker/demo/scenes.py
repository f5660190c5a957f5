"""Scenes of one to three coloured shapes, their pictures, and the one caption that is right for each.

A scene is fully determined by its seed. Lengths are in units of the picture's shorter side, angles in degrees,
colours in 8-bit sRGB; x grows to the right, y grows downwards.

The caption names the shapes in a fixed order and says where the first one stands in relation to each of the others:

1. a shape inside another comes first, followed by the one around it;
2. otherwise large comes before small;
3. among equals in size the one on the left comes first when they stand side by side, else the one higher up.

Sizes, colours and relations keep a margin (the constants below), so that no picture allows two captions.

``python -m worker.demo.scenes FOLDER --count 20 --seed 1`` writes example pictures with their captions.
"""

from __future__ import annotations

import argparse
import io
import math
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cmp_to_key
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw

RGB = tuple[int, int, int]
Point = tuple[float, float]
T = TypeVar("T")

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "ring", "crescent")
SIZES = ("small", "large")
COLOURS: dict[str, RGB] = {
    "red": (214, 40, 40),
    "orange": (247, 138, 24),
    "yellow": (252, 216, 48),
    "green": (46, 160, 67),
    "blue": (38, 94, 214),
    "purple": (138, 52, 172),
    "pink": (244, 138, 188),
    "brown": (124, 74, 38),
    "black": (26, 26, 30),
    "white": (250, 250, 248),
}
BACKGROUNDS: dict[str, RGB] = {
    "white": (246, 246, 244),
    "gray": (140, 143, 148),
    "black": (30, 31, 35),
    "beige": (226, 207, 172),
    "light blue": (176, 212, 238),
    "dark blue": (28, 44, 92),
    "light green": (190, 226, 178),
    "dark green": (26, 74, 52),
}
RELATIONS = ("above", "below", "left of", "right of", "inside")
OPPOSITE = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}

# Disjoint ranges of seeds: a scene that is evaluated was never trained on, nor looked at while training.
TRAINING_SEEDS = range(500_000_000)
VALIDATION_SEEDS = range(500_000_000, 1_000_000_000)
EVALUATION_SEEDS = range(1_000_000_000, 2_000_000_000)
SEEDS_PER_EVALUATION = 100_000

RADII = {"small": (0.080, 0.105), "large": (0.155, 0.200)}  # a small one is at most 0.68 times a large one
OUTER_RADII = (0.180, 0.200)  # of a shape that has another one inside
INNER_RADII = (0.080, 0.090)
HOLE = 0.66  # inner radius of a ring, as a share of its outer radius
CONTAINERS = ("circle", "square", "ring")
# How far the outline reaches from its centre, in radii: spiky shapes are drawn larger to look equally large.
REACH = {
    "circle": 1.0,
    "square": 1.2,
    "triangle": 1.2,
    "star": 1.2,
    "heart": 1.12,
    "cross": 1.12,
    "ring": 1.0,
    "crescent": 1.05,
}
# Largest rotation either way. A square on its corner would be called a diamond, a turned cross an X.
TURN = {
    "circle": 0.0,
    "square": 16.0,
    "triangle": 18.0,
    "star": 36.0,
    "heart": 20.0,
    "cross": 16.0,
    "ring": 0.0,
    "crescent": 180.0,
}
EDGE = 0.015  # clear space between a shape and the picture's edge
GAP = 0.02  # clear space between two shapes
CLEAR_DISTANCE = 0.26  # centres of related shapes are at least this far apart along the relation's axis ...
CLEAR_SLOPE = 0.36  # ... and at most this share of it across
DIAGONAL = 0.14  # the second and third shape differ by this at least in height and in side
CONTRAST = 35.0  # smallest CIE76 difference of colours that touch

# Seed, number of shapes: the pictures that come with the project, drawn larger than those for training.
EXAMPLES = ((1_999_980_592, 3), (1_999_982_932, 3), (1_999_980_617, 2))
EXAMPLE_SIZE = (640, 480)
LONG_SIDES = (320, 384, 448, 512)
ASPECTS = ((4, 3), (1, 1), (3, 4))
SUPERSAMPLING = 4


@dataclass(frozen=True, slots=True)
class Item:
    """One shape of a scene; `centre` and `radius` in shorter sides of the picture, `angle` in degrees."""

    shape: str
    colour: str
    size: str
    centre: Point
    radius: float
    angle: float
    rgb: RGB

    @property
    def reach(self) -> float:
        """Radius of the circle around `centre` that holds the whole outline."""
        return self.radius * REACH[self.shape]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a picture is drawn from; `items` stand in the order in which the caption names them."""

    seed: int
    size: tuple[int, int]  # width, height in pixels
    background: str
    rgb: RGB
    items: tuple[Item, ...]
    shade: tuple[float, float]  # brightness slope to the right and downwards, in levels over the picture
    noise: float  # standard deviation in levels
    quality: int  # of the JPEG file

    @property
    def attributes(self) -> Attributes:
        """What can be seen, in the caption's order."""
        first = self.items[0]
        relations = tuple(relation(first, other) or "?" for other in self.items[1:])
        things = tuple(Thing(size=item.size, colour=item.colour, shape=item.shape) for item in self.items)
        return Attributes(background=self.background, things=things, relations=relations)

    @property
    def caption(self) -> str:
        """The one right caption."""
        return self.attributes.caption


@dataclass(frozen=True, slots=True)
class Thing:
    """One named shape."""

    size: str
    colour: str
    shape: str


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a caption says; `relations[i]` stands between the first thing and thing i + 1."""

    background: str
    things: tuple[Thing, ...]
    relations: tuple[str, ...]

    @property
    def caption(self) -> str:
        """The sentence, at most 22 words."""
        words = [_named(self.things[0])]
        for number, (how, thing) in enumerate(zip(self.relations, self.things[1:], strict=True)):
            words.append(f"{'and ' if number else ''}{how} {_named(thing)}")
        return f"{' '.join(words)} on a {self.background} background"

    def slots(self) -> tuple[str, ...]:
        """Every single attribute, each in its fixed place: background, then three per shape, then the relations."""
        named = (value for thing in self.things for value in (thing.size, thing.colour, thing.shape))
        return (self.background, *named, *self.relations)


def _named(thing: Thing) -> str:
    return f"a {thing.size} {thing.colour} {thing.shape}"


_THING = rf"a ({'|'.join(SIZES)}) ({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})"
_HOW = rf"({'|'.join(RELATIONS)})"
_SENTENCE = re.compile(
    rf"{_THING}(?: {_HOW} {_THING}(?: and {_HOW} {_THING})?)? on a ({'|'.join(BACKGROUNDS)}) background"
)


def parse(text: str) -> Attributes | None:
    """Read a caption back, or return None when it is not a sentence of this grammar."""
    match = _SENTENCE.fullmatch(text.strip())
    if match is None:
        return None
    g = match.groups()  # size, colour, shape, how, size, colour, shape, how, size, colour, shape, background
    things = tuple(Thing(size=g[i], colour=g[i + 1], shape=g[i + 2]) for i in (0, 4, 8) if g[i])
    return Attributes(background=g[11], things=things, relations=tuple(how for how in (g[3], g[7]) if how))


def attributes_right(expected: Attributes, text: str) -> tuple[int, int]:
    """Count the attributes that a caption gets right, and those it was asked for.

    Shapes are compared in their fixed order. A shape too many counts as asked for and wrong; a text outside the
    grammar has nothing right.
    """
    got = parse(text)
    if got is None:
        return 0, len(expected.slots())
    right = int(expected.background == got.background)
    for thing, other in zip(expected.things, got.things, strict=False):
        right += (thing.size == other.size) + (thing.colour == other.colour) + (thing.shape == other.shape)
    right += sum(a == b for a, b in zip(expected.relations, got.relations, strict=False))
    return right, max(len(expected.slots()), len(got.slots()))


# --- what the picture shows ------------------------------------------------------------------------------------


def relation(first: Item, other: Item) -> str | None:
    """Say where `first` stands as seen from `other`, or None when a person could hesitate."""
    dx, dy = first.centre[0] - other.centre[0], first.centre[1] - other.centre[1]
    if math.hypot(dx, dy) + first.reach <= _room(other):
        return "inside"
    along, across = max(abs(dx), abs(dy)), min(abs(dx), abs(dy))
    if along < CLEAR_DISTANCE or across > CLEAR_SLOPE * along or not _apart(first, other):
        return None
    if abs(dx) > abs(dy):
        return "left of" if dx < 0 else "right of"
    return "above" if dy < 0 else "below"


def _room(outer: Item) -> float:
    """Radius of the free circle inside `outer`, a gap left all around; 0 where nothing may lie inside."""
    free = {"circle": 1.0, "square": REACH["square"] / math.sqrt(2), "ring": HOLE}.get(outer.shape, 0.0)
    return outer.radius * free - GAP / 2


def _apart(a: Item, b: Item) -> bool:
    return math.dist(a.centre, b.centre) >= a.reach + b.reach + GAP


def mention_order(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Put shapes in the order in which the caption names them (see the module's docstring)."""
    inner = next((a for a in items for b in items if a is not b and relation(a, b) == "inside"), None)
    if inner is not None:
        outer = next(b for b in items if b is not inner and relation(inner, b) == "inside")
        return (inner, outer, *(item for item in items if item is not inner and item is not outer))
    return tuple(sorted(items, key=cmp_to_key(_earlier)))


def _earlier(a: Item, b: Item) -> int:
    if a.size != b.size:
        return -1 if a.size == "large" else 1
    beside = relation(a, b) in {"left of", "right of"}
    first = a.centre[0] < b.centre[0] if beside else a.centre[1] < b.centre[1]
    return -1 if first else 1


def is_clear(items: tuple[Item, ...], width: float, height: float) -> bool:
    """Tell whether the picture of these shapes allows one caption only, and shows them whole."""
    if not all(_within(item, width, height) for item in items):
        return False
    if len({(item.shape, item.colour) for item in items}) < len(items):
        return False
    first, *others = mention_order(items)
    if any(relation(first, other) is None for other in others):
        return False
    if len(others) < 2:
        return True
    second, third = others
    if relation(first, second) == "inside":
        return relation(first, third) == relation(second, third) and _apart(second, third)
    dx, dy = (abs(second.centre[axis] - third.centre[axis]) for axis in (0, 1))
    return min(dx, dy) >= DIAGONAL and _apart(second, third)


def _within(item: Item, width: float, height: float) -> bool:
    x, y = item.centre
    far = item.reach + EDGE
    return far <= x <= width - far and far <= y <= height - far


# --- colours ---------------------------------------------------------------------------------------------------


def difference(a: RGB, b: RGB) -> float:
    """CIE76 colour difference of two sRGB colours (D65); about 2 can just be seen, 35 is plain."""
    return math.dist(_lab(a), _lab(b))


def _lab(rgb: RGB) -> tuple[float, float, float]:
    """CIE L*a*b* of an sRGB colour (IEC 61966-2-1, D65 white)."""
    r, g, b = ((c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4) for c in (v / 255 for v in rgb))
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


# Which colours may lie on a ground of a given colour.
ON_BACKGROUND = {
    name: tuple(c for c, rgb in COLOURS.items() if c != name and difference(rgb, ground) >= CONTRAST)
    for name, ground in BACKGROUNDS.items()
}
ON_COLOUR = {
    name: frozenset(c for c, rgb in COLOURS.items() if difference(rgb, ground) >= CONTRAST)
    for name, ground in COLOURS.items()
}


# --- drawing lots ----------------------------------------------------------------------------------------------


def make_scene(seed: int, *, count: int | None = None, size: tuple[int, int] | None = None) -> Scene:
    """Draw lots for the scene of a seed.

    `count` (1 to 3 shapes) and `size` (width, height in pixels) are drawn too unless they are given.
    """
    rng = np.random.default_rng(seed)
    how_many, pixels = int(rng.integers(1, 4)), _size(rng)
    how_many, pixels = count or how_many, size or pixels
    short = min(pixels)
    width, height = pixels[0] / short, pixels[1] / short
    background = _pick(rng, tuple(BACKGROUNDS))
    items = _items(rng, how_many, background, width, height)
    return Scene(
        seed=seed,
        size=pixels,
        background=background,
        rgb=_jitter(rng, BACKGROUNDS[background], 5),
        items=mention_order(items),
        shade=(float(rng.uniform(-14, 14)), float(rng.uniform(-14, 14))),
        noise=float(rng.uniform(0, 12)),
        quality=int(rng.integers(55, 96)),
    )


def evaluation_seeds(seed: int, count: int) -> range:
    """The seeds of an evaluation: fresh scenes, other ones for each `seed` (0 to 9,999)."""
    if not 0 <= seed < len(EVALUATION_SEEDS) // SEEDS_PER_EVALUATION or not 0 < count <= SEEDS_PER_EVALUATION:
        raise ValueError(f"seed must be 0 to 9999 and the number of scenes 1 to {SEEDS_PER_EVALUATION}")
    start = EVALUATION_SEEDS.start + seed * SEEDS_PER_EVALUATION
    return range(start, start + count)


def _pick(rng: np.random.Generator, choices: tuple[T, ...]) -> T:
    return choices[int(rng.integers(len(choices)))]


def _size(rng: np.random.Generator) -> tuple[int, int]:
    long, (across, down) = _pick(rng, LONG_SIDES), _pick(rng, ASPECTS)
    return long * across // max(across, down), long * down // max(across, down)


def _jitter(rng: np.random.Generator, rgb: RGB, by: int) -> RGB:
    r, g, b = (int(np.clip(v + d, 0, 255)) for v, d in zip(rgb, rng.integers(-by, by + 1, size=3), strict=True))
    return r, g, b


def _items(rng: np.random.Generator, count: int, background: str, width: float, height: float) -> tuple[Item, ...]:
    """Draw lots for shapes until they are clear; the relations are drawn first, so that none is rare."""
    wanted = _wanted(rng, count)
    while True:
        drawn = _attempt(rng, wanted, background, width, height)
        if is_clear(drawn, width, height):
            items = mention_order(drawn)
            if tuple(relation(items[0], other) for other in items[1:]) in (wanted, wanted[::-1]):
                return items


def _wanted(rng: np.random.Generator, count: int) -> tuple[str, ...]:
    if count == 1:
        return ()
    if count == 2:
        return (_pick(rng, RELATIONS),)
    if rng.random() < 0.25:
        return ("inside", _pick(rng, RELATIONS[:4]))
    return (_pick(rng, RELATIONS[:2]), _pick(rng, RELATIONS[2:4]))


def _attempt(
    rng: np.random.Generator, wanted: tuple[str, ...], background: str, width: float, height: float
) -> tuple[Item, ...]:
    """One try: the first shape somewhere, each further one where its relation to the first puts it."""
    colours = tuple(_pick(rng, ON_BACKGROUND[background]) for _ in range(len(wanted) + 1))
    first = _item(rng, colours[0], inner="inside" in wanted)
    others = [_item(rng, colour, outer=how == "inside") for colour, how in zip(colours[1:], wanted, strict=True)]
    if "inside" in wanted and colours[0] not in ON_COLOUR[colours[1]]:
        first = replace(first, colour=(fits := _fitting(rng, colours[1], background)), rgb=COLOURS[fits])
    others = [_placed(rng, item, how, width, height) for item, how in zip(others, wanted, strict=True)]
    return _scattered(rng, (first, *others), width, height)


def _fitting(rng: np.random.Generator, outer: str, background: str) -> str:
    return _pick(rng, tuple(c for c in ON_BACKGROUND[background] if c in ON_COLOUR[outer]))


def _item(rng: np.random.Generator, colour: str, *, inner: bool = False, outer: bool = False) -> Item:
    shape = _pick(rng, CONTAINERS if outer else SHAPES)
    size = "small" if inner else "large" if outer else _pick(rng, SIZES)
    low, high = INNER_RADII if inner else OUTER_RADII if outer else RADII[size]
    return Item(
        shape=shape,
        colour=colour,
        size=size,
        centre=(0.0, 0.0),
        radius=float(rng.uniform(low, high)),
        angle=float(rng.uniform(-TURN[shape], TURN[shape])),
        rgb=_jitter(rng, COLOURS[colour], 6),
    )


def _placed(rng: np.random.Generator, item: Item, how: str, width: float, height: float) -> Item:
    """Put `item` so that the first shape, at the origin, stands `how` as seen from it."""
    if how == "inside":
        return replace(item, centre=(float(rng.uniform(-0.01, 0.01)), float(rng.uniform(-0.01, 0.01))))
    span = width if how in {"left of", "right of"} else height
    along = float(rng.uniform(CLEAR_DISTANCE, max(CLEAR_DISTANCE, span - 0.22)))
    across = along * float(rng.uniform(-CLEAR_SLOPE, CLEAR_SLOPE))
    sign = 1 if how in {"left of", "above"} else -1
    centre = (sign * along, across) if how in {"left of", "right of"} else (across, sign * along)
    return replace(item, centre=centre)


def _scattered(rng: np.random.Generator, items: tuple[Item, ...], width: float, height: float) -> tuple[Item, ...]:
    """Move all shapes together to a place where the picture holds them; in vain when there is none."""
    shift = []
    for axis, extent in ((0, width), (1, height)):
        low = max(item.reach + EDGE - item.centre[axis] for item in items)
        high = min(extent - item.reach - EDGE - item.centre[axis] for item in items)
        shift.append(float(rng.uniform(low, max(low, high))))
    return tuple(replace(item, centre=(item.centre[0] + shift[0], item.centre[1] + shift[1])) for item in items)


def mirrored(scene: Scene) -> Scene:
    """The scene of the picture flipped left to right."""
    width = scene.size[0] / min(scene.size)
    items = tuple(
        replace(item, centre=(width - item.centre[0], item.centre[1]), angle=180 - item.angle)
        if item.shape == "crescent"
        else replace(item, centre=(width - item.centre[0], item.centre[1]), angle=-item.angle)
        for item in scene.items
    )
    return replace(scene, items=mention_order(items), shade=(-scene.shade[0], scene.shade[1]))


# --- drawing ---------------------------------------------------------------------------------------------------


def render(scene: Scene) -> Image.Image:
    """Draw the scene: RGB, anti-aliased, shaded and noisy; the same picture for the same scene."""
    image = Image.new("RGB", scene.size, scene.rgb)
    for item in sorted(scene.items, key=lambda item: -item.radius):  # what is inside another lies on top of it
        _draw(image, item)
    return _weathered(image, scene)


def jpeg(scene: Scene) -> bytes:
    """The scene's picture as the JPEG file that a model gets to see."""
    buffer = io.BytesIO()
    render(scene).save(buffer, "JPEG", quality=scene.quality)
    return buffer.getvalue()


def picture(scene: Scene) -> Image.Image:
    """The scene's picture after JPEG compression, RGB."""
    with Image.open(io.BytesIO(jpeg(scene))) as image:
        return image.convert("RGB")


def _draw(image: Image.Image, item: Item) -> None:
    """Paint one shape through a mask that is drawn larger and averaged down."""
    short = min(image.size)
    left, top = (math.floor((c - item.reach) * short) - 1 for c in item.centre)
    side = math.ceil(2 * item.reach * short) + 3
    mask = Image.new("L", (side * SUPERSAMPLING, side * SUPERSAMPLING), 0)
    pen = ImageDraw.Draw(mask)
    scale = short * SUPERSAMPLING
    origin = (item.centre[0] * scale - left * SUPERSAMPLING, item.centre[1] * scale - top * SUPERSAMPLING)
    turn = math.radians(item.angle)
    cos, sin = math.cos(turn) * item.radius * scale, math.sin(turn) * item.radius * scale
    for points, fill in OUTLINES[item.shape]:
        pen.polygon([(origin[0] + x * cos - y * sin, origin[1] + x * sin + y * cos) for x, y in points], fill=fill)
    image.paste(item.rgb, (left, top), mask.reduce(SUPERSAMPLING))


def _weathered(image: Image.Image, scene: Scene) -> Image.Image:
    """Add a soft fall-off of light and the grain of a camera, in levels."""
    rng = np.random.default_rng((scene.seed, 1))
    width, height = image.size
    field = rng.standard_normal((height, width), dtype=np.float32) * np.float32(scene.noise)
    field += np.linspace(-0.5, 0.5, width, dtype=np.float32) * scene.shade[0]
    field += np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None] * scene.shade[1]
    levels = np.asarray(image, dtype=np.int16) + np.rint(field).astype(np.int16)[:, :, None]
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def _arc(radius: float, centre: Point = (0.0, 0.0), points: int = 90) -> tuple[Point, ...]:
    steps = (2 * math.pi * i / points for i in range(points))
    return tuple((centre[0] + radius * math.cos(t), centre[1] + radius * math.sin(t)) for t in steps)


def _corners(count: int, radius: float, start: float) -> tuple[Point, ...]:
    steps = (math.radians(start + 360 * i / count) for i in range(count))
    return tuple((radius * math.cos(t), radius * math.sin(t)) for t in steps)


def _star() -> tuple[Point, ...]:
    outer, inner = _corners(5, REACH["star"], -90), _corners(5, 0.45 * REACH["star"], -54)
    return tuple(point for pair in zip(outer, inner, strict=True) for point in pair)


def _cross() -> tuple[Point, ...]:
    arm = 0.32  # half the width of a bar; the corners reach as far as REACH says
    tip = math.sqrt(REACH["cross"] ** 2 - arm**2)
    quarter = ((arm, -tip), (arm, -arm), (tip, -arm))
    return tuple(point for turn in range(4) for point in (_quarter_turn(p, turn) for p in quarter))


def _quarter_turn(point: Point, times: int) -> Point:
    x, y = point
    return ((x, y), (-y, x), (-x, -y), (y, -x))[times]


def _heart() -> tuple[Point, ...]:
    """The curve x = 16 sin³t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t, scaled to REACH."""
    steps = [2 * math.pi * i / 80 for i in range(80)]
    curve = [
        (16 * math.sin(t) ** 3, -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) - 2.5)
        for t in steps
    ]
    scale = REACH["heart"] / max(math.hypot(x, y) for x, y in curve)
    return tuple((x * scale, y * scale) for x, y in curve)


# Polygons in units of the radius, painted one after the other; 0 cuts a hole.
OUTLINES: dict[str, tuple[tuple[tuple[Point, ...], int], ...]] = {
    "circle": ((_arc(1.0), 255),),
    "square": ((_corners(4, REACH["square"], 45), 255),),
    "triangle": ((_corners(3, REACH["triangle"], -90), 255),),
    "star": ((_star(), 255),),
    "heart": ((_heart(), 255),),
    "cross": ((_cross(), 255),),
    "ring": ((_arc(1.0), 255), (_arc(HOLE), 0)),
    "crescent": ((_arc(REACH["crescent"]), 255), (_arc(0.88, (0.52, 0.0)), 0)),
}


# --- command ---------------------------------------------------------------------------------------------------


def write(folder: Path, drawn: Iterable[Scene], *, numbered: bool = True) -> Iterator[tuple[Path, str]]:
    """Write one JPEG file for each scene, named after its shapes and, `numbered`, its seed; yield path and caption."""
    folder.mkdir(parents=True, exist_ok=True)
    for scene in drawn:
        number = f"-{scene.seed}" if numbered else ""
        path = folder / f"{'-'.join(f'{item.colour}-{item.shape}' for item in scene.items)}{number}.jpg"
        path.write_bytes(jpeg(scene))
        yield path, scene.caption


def examples() -> list[Scene]:
    """The scenes of the pictures that come with the project."""
    return [make_scene(seed, count=count, size=EXAMPLE_SIZE) for seed, count in EXAMPLES]


def main(arguments: list[str] | None = None) -> int:
    """Write example scenes; the captions go to standard output as tab-separated lines."""
    parser = argparse.ArgumentParser(prog="python -m worker.demo.scenes", description="Write example scenes.")
    parser.add_argument("folder", type=Path, help="folder to write the pictures to")
    parser.add_argument("--count", type=int, default=20, help="number of pictures (20)")
    parser.add_argument("--seed", type=int, default=0, help="which fresh scenes, 0 to 9999 (0)")
    parser.add_argument("--examples", action="store_true", help="write the bundled example pictures instead")
    options = parser.parse_args(arguments)
    try:
        seeds = evaluation_seeds(options.seed, options.count)
    except ValueError as error:
        parser.error(str(error))
    drawn = examples() if options.examples else map(make_scene, seeds)
    for path, caption in write(options.folder, drawn, numbered=not options.examples):
        print(f"{path}\t{caption}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
