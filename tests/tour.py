"""Take the screenshots of docs/tour.md: every page, at three widths, light and dark.

    python -m tests.tour [--only PAGE ...]

A desk of its own on SQLite is filled with drawn scenes and taken down afterwards. Needs chromium.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image as Picture
from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import CHROMIUM, Person, Window
from tests.harness import ROOT, Desk, desk

FOLDER: Final = ROOT / "docs" / "tour"
#: Page by page: the name, what it is, and its address, in which {words in braces} come from `FILL`.
PAGES: Final = (
    ("gallery", "Pictures: drafts wait with a yellow mark, approved words are plain.", "/"),
    ("picture", "One picture: its words, the alternatives, and everything that ever became of it.", "/images/{draft}/"),
    ("review", "The review desk: one picture, one key.", "/review/"),
    ("review-summary", "How far the review is, its pace, and how often second reviewers agree.", "/review/summary/"),
    ("albums", "Albums, own and shared ones.", "/albums/"),
    ("album", "An album, with whom it is shared, and links for people without an account.", "/albums/{album}/"),
    ("shared", "What somebody sees who was sent a link.", "/shared/{link}/"),
    ("tags", "Tags.", "/tags/"),
    ("search", "Search: words, and filters as chips.", "/search/?q=circle+state:draft"),
    ("lab", "The lab: two ways of captioning, voted on blind.", "/lab/{trial}/"),
    ("lab-new", "What a trial compares.", "/lab/new/"),
    ("operations", "Operations: the queue, the workers, the last day.", "/operations/"),
    ("imports", "Imports: folders, ZIP files, and what became of each file.", "/imports/"),
    ("quality", "How well the quality score foretells what people approve.", "/quality/"),
    ("trash", "The trash.", "/trash/"),
    ("account", "The account.", "/account/"),
    ("tokens", "Tokens for programs.", "/account/tokens/"),
    ("webhooks", "Programs that are told what happens.", "/account/webhooks/"),
    ("webhook", "One of them: how it does, and what it was told.", "/account/webhooks/{hook}/"),
    ("login", "Logging in.", "/accounts/login/"),
)  # fmt: skip
WIDTHS: Final = {390: 844, 1280: 900, 1920: 1080}
OUTSIDE: Final = {"login", "shared"}

FILL: Final = """
import io
from datetime import timedelta
from django.contrib.auth.models import Group, User
from django.utils import timezone
from captions import albums, ingest, jobs, lab, outbox, review, tags, tokens, trash, webhooks
from captions.drafts import Draft
from captions.models import CaptionJob, WebhookAttempt, WebhookDelivery
from captions.models.webhook import EventType
from captions.params import GenerationParams
from tests.web import builders
from worker.demo.scenes import jpeg, make_scene

user = User.objects.create_user("olga", "olga@example.org", "correct-horse-battery")
user.groups.set(Group.objects.exclude(name="services"))  # whose members cannot log in
ada = User.objects.create_user("ada", "ada@example.org")
builders.worker(name="studio-3fa91c")
builders.worker(name="studio-77b0e2", model="example/shapes-large", names=["example/shapes-large"], is_demo=False,
                takes_any=False)
images, words = [], []
for number in range(48):
    scene = make_scene(9000 + number)
    file = io.BytesIO(jpeg(scene))
    images.append(ingest.receive(owner=user, file=file, filename=f"sheet-{number + 1:02}.jpg").image)
    words.append(scene.caption)
for number, (image, text) in enumerate(zip(images, words)):
    if number % 12 == 7:
        builders.failed(image, "model_failed")
    elif number % 12 != 5:
        builders.drafted(image, text, words[number - 1], words[number - 2])
        image.refresh_from_db()
        if number % 3 == 0:
            review.approve(image=image, reviewer=user)
        elif number % 10 == 4:
            review.reject(image=image, reviewer=user, reason="Wrong shape")
trash.discard(image=images[40], by=user)
album = albums.make(owner=user, name="Shapes, first sheet")
albums.add(album=album, images=[image.pk for image in images[:9]])
albums.share(album=album, with_whom="ada", role="review")
link, secret = albums.make_link(album=album, by=user, days=30)
tags.mark(owner=user, images=[image.pk for image in images[:20]], names=["shapes"])
tags.mark(owner=user, images=[image.pk for image in images[5:12]], names=["to print"])
tokens.mint(user=user, name="Nightly import")
trial = lab.start(
    by=user, name="Quick against careful", images=images[8:14],
    arms=[lab.ArmWish("Quick", "", {"num_beams": 1}), lab.ArmWish("Careful", "", {"num_beams": 4})],
)
ids = {image.pk: number for number, image in enumerate(images)}
while claimed := jobs.claim(limit=8, worker="tour", models=["demo"], lease_seconds=99):
    for job in claimed:
        place = ids.get(job.image_id, 0) - (job.params.get("num_beams") == 1)
        jobs.complete(
            job_id=job.pk, attempt=job.attempt, candidates=[Draft(words[place], -0.3, 9)], model="demo", revision="1",
            params=GenerationParams(), seed=None,
        )
jobs.request(image=images[1], chosen={}, model="example/shapes-large")
[job] = jobs.claim(limit=1, worker="tour", models=["example/shapes-large"], lease_seconds=99, takes_any=False)
jobs.complete(
    job_id=job.pk, attempt=job.attempt, candidates=[Draft(words[1], -0.2, 9), Draft(words[2], -0.9, 9)],
    model="example/shapes-large", revision="1", params=GenerationParams(), seed=None,
)
for image in images[20:23]:
    jobs.request(image=image, chosen={"num_beams": 8})
site, _ = webhooks.make(owner=user, name="Website", url="https://example.org/captions", events=EventType.values[3:6])
shop, _ = webhooks.make(owner=user, name="Print shop", url="https://example.net/in", events=["caption.approved"])
for image in images[9:13]:
    outbox.note(
        type=EventType.CAPTION_APPROVED, owner_id=user.pk, image_id=image.pk, data={"decision": "approve"}
    )
told = (("pending", ()), ("failed", (("address_too_slow", None), ("", 503))), ("delivered", (("", 500), ("", 200))))
for number, delivery in enumerate(site.deliveries.order_by("-created_at")):
    state, tries = told[min(number, 2)]
    for error, status in tries:
        WebhookAttempt.objects.create(delivery=delivery, error=error, status=status, answer="{}", seconds=0.21)
    due = timezone.now() + timedelta(minutes=5) if state == "pending" else None
    WebhookDelivery.objects.filter(pk=delivery.pk).update(state=state, tries=len(tries), due_at=due)
webhooks.change(webhook=shop, is_on=False)
print("ids", f"hook={site.pk}", f"draft={images[1].pk}", f"album={album.pk}", f"link={secret}", f"trial={trial.pk}")
"""


def main(arguments: list[str] | None = None) -> int:
    """Take the pictures; 0 when all were taken."""
    parser = argparse.ArgumentParser(prog="python -m tests.tour", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[name for name, _, _ in PAGES], help="only these pages")
    only = parser.parse_args(arguments).only
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, desk(Path(folder)) as running, sync_playwright() as playwright:
        ids = fill(running)
        running.start_web()
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM.split())
        for width in WIDTHS:
            for theme in ("light", "dark"):
                walk(browser, running, ids, width, theme, only)
        browser.close()
    if not only:
        (ROOT / "docs" / "tour.md").write_text(document())
    return 0


def fill(running: Desk) -> dict[str, str]:
    """Fill the desk; gives what addresses need by name."""
    lines = running.run("shell", "-v0", "-c", FILL).stdout.splitlines()
    found = next(line.split()[1:] for line in lines if line.startswith("ids "))
    return dict(pair.split("=", 1) for pair in found)


def walk(browser: Browser, running: Desk, ids: dict[str, str], width: int, theme: str, only: list[str] | None) -> None:
    """Go through all pages in a window of one width and theme."""
    size = {"width": width, "height": WIDTHS[width]}
    for outside in (True, False):
        context = browser.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce")
        page = context.new_page()
        if not outside:
            Window(page, running.url).log_in(Person(running, "olga", ""))
        for name, _, address in PAGES:
            if (name in OUTSIDE) == outside and (not only or name in only):
                page.goto(running.url + address.format(**ids))
                page.wait_for_timeout(700)  # pictures and typefaces
                keep(page.screenshot(), FOLDER / f"{name}-{width}-{theme}.webp")
        context.close()


def keep(shot: bytes, path: Path) -> None:
    """Write a screenshot, small enough for a repository."""
    with Picture.open(io.BytesIO(shot)) as picture:
        picture.convert("RGB").save(path, quality=70, method=6)


def document() -> str:
    """Write the page that shows them all."""
    lines = [
        "# A tour of the desk", "",
        "Every page at 390, 1280 and 1920 pixels, light and dark, with pictures of coloured shapes, which the bundled",
        "demo model knows. `python -m tests.tour` takes these screenshots anew.", "",
    ]  # fmt: skip
    for name, words, _ in PAGES:
        more = [
            f"[{width} {theme}](tour/{name}-{width}-{theme}.webp)" for width in WIDTHS for theme in ("light", "dark")
        ]
        lines += [f"## {name.replace('-', ' ').capitalize()}", "", words, ""]
        lines += [f"![{words}](tour/{name}-1280-light.webp)", "", " · ".join(more), ""]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
