"""Files on their way in a real browser: connections that break, pages that are closed, folders and ZIP files."""

from __future__ import annotations

import hashlib
import io
import os
import re
import signal
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image as Pillow
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import MakeWindow, Person
from tests.browser.test_pages import violations
from tests.harness import Desk, until
from worker.demo.scenes import jpeg, make_scene


@pytest.fixture(scope="module")
def running(own_desk: Desk) -> Desk:
    """A desk of this file's own: its web server is started anew."""
    return own_desk


MIB = 1024 * 1024
expect.set_options(timeout=60_000)  # large files take longer than five seconds on a busy machine


def noise(folder: Path, *, side: int = 2400) -> tuple[Path, str]:
    """Draw a picture of about 17 MB, which is four pieces; give its file and its sha256."""
    path = folder / "noise.png"
    Pillow.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(path, "PNG", compress_level=0)
    assert path.stat().st_size > 15 * MIB
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def hashes(person: Person) -> list[str]:
    """Give the sha256 of the person's pictures, as the API tells them."""
    with person.desk.client(person.token) as client:
        return [image["sha256"] for image in client.get("/api/v1/images/").json()["results"]]


def uploads(person: Person) -> list[dict[str, object]]:
    with person.desk.client(person.token) as client:
        return list(client.get("/api/v1/uploads/").json()["results"])


def restart(running: Desk) -> None:
    """Kill the web server without a word, and start it again at the same address."""
    web = next(child for child in reversed(running.children) if child.name == "web")
    web.signal(signal.SIGKILL)
    web.process.wait()
    port = running.url.rpartition(":")[2]
    running.spawn(
        "web", sys.executable, "-m", "uvicorn", "captionsite.asgi:application", "--port", port,
        "--timeout-graceful-shutdown", "2", "--log-level", "warning", "--lifespan", "off", env={"PORT": port},
    )  # fmt: skip
    until(running._answers, what="the web server answers again")


def choose(page: Page, *paths: Path) -> None:
    page.locator("#files").set_input_files([str(path) for path in paths])


def test_it_goes_on_when_the_server_is_killed_between_two_pieces(
    window: MakeWindow, person: Person, running: Desk, tmp_path: Path
) -> None:
    path, digest = noise(tmp_path)
    opened = window()
    page = opened.log_in(person)
    pieces: list[int] = []

    def breaks(route: Route) -> None:
        pieces.append(int(route.request.headers["upload-offset"]))
        if len(pieces) == 2:
            restart(running)
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(
        "**/api/v1/uploads/*/", lambda route: breaks(route) if route.request.method == "PATCH" else route.continue_()
    )
    choose(page, path)
    expect(page.locator("#sheet > .frame")).to_have_count(1)
    assert hashes(person) == [digest]
    assert pieces == [5 * MIB, 10 * MIB, 10 * MIB, 15 * MIB]  # nothing that was here came again
    opened.complaints = [one for one in opened.complaints if "ERR_" not in one]


def test_it_goes_on_after_the_page_was_closed(window: MakeWindow, person: Person, tmp_path: Path) -> None:
    path, digest = noise(tmp_path)
    opened = window()
    page = opened.log_in(person)
    page.on("dialog", lambda dialog: dialog.accept())
    page.route("**/api/v1/uploads/*/", lambda route: None if route.request.method == "PATCH" else route.continue_())
    choose(page, path)
    until(lambda: [one["offset"] for one in uploads(person)] == [5 * MIB], what="the first piece is here")
    page = opened.go("/imports/")
    page.unroute_all(behavior="ignoreErrors")
    expect(page.locator(".import-list .tag")).to_have_text("Your turn")
    page.locator(".import-list a").click()
    expect(page.locator("#import-missing")).to_contain_text("Choose the same files again to go on.")
    expect(page.locator(".arrival")).to_contain_text("Part of it is here")
    assert violations(page) == []
    sent: list[int] = []
    page.on("request", lambda one: sent.append(int(one.headers["upload-offset"])) if one.method == "PATCH" else None)
    choose(page, path)
    expect(page.locator(".arrival .state")).to_have_text("Added")
    expect(page.locator("#import-missing")).to_have_count(0)
    assert hashes(person) == [digest]
    assert sent == [5 * MIB, 10 * MIB, 15 * MIB]
    assert len(uploads(person)) == 1


def test_it_waits_for_the_network(window: MakeWindow, person: Person, tmp_path: Path) -> None:
    path, digest = noise(tmp_path)
    opened = window()
    page = opened.log_in(person)
    page.context.set_offline(True)
    choose(page, path)
    page.wait_for_timeout(500)
    page.context.set_offline(False)
    expect(page.locator("#sheet > .frame")).to_have_count(1)
    assert hashes(person) == [digest]
    opened.complaints = [one for one in opened.complaints if "ERR_" not in one]


def test_it_takes_a_small_file_in_one_request(window: MakeWindow, person: Person, tmp_path: Path) -> None:
    path = tmp_path / "scene.jpg"
    path.write_bytes(jpeg(make_scene(700)))
    page = window().log_in(person)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.method) if "/api/v1/uploads/" in one.url else None)
    choose(page, path)
    expect(page.locator("#sheet > .frame")).to_have_count(1)
    assert asked == ["POST"]
    choose(page, path)
    expect(page.locator("#adding-sum")).to_contain_text("1 was here already.")


def test_it_loads_the_client_with_the_first_file(window: MakeWindow, person: Person, tmp_path: Path) -> None:
    path = tmp_path / "scene.jpg"
    path.write_bytes(jpeg(make_scene(701)))
    opened = window()
    asked: list[str] = []
    opened.page.on("request", lambda one: asked.append(one.url) if "/tus-" in one.url else None)
    page = opened.log_in(person)
    page.wait_for_load_state("networkidle")
    assert asked == []
    choose(page, path)
    expect(page.locator("#sheet > .frame")).to_have_count(1)
    assert len(asked) == 1


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with two folders of pictures, and files that are none."""
    for number, name in enumerate(("Holiday/a.jpg", "Holiday/Day 1/b.jpg", "Holiday/Day 1/c.jpg")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(make_scene(710 + number)))
    (tmp_path / "Holiday" / "notes.txt").write_text("words")
    (tmp_path / "Holiday" / ".hidden.jpg").write_bytes(b"x")
    return tmp_path / "Holiday"


def test_it_takes_a_folder_and_makes_albums_of_it(window: MakeWindow, person: Person, tree: Path) -> None:
    page = window().log_in(person)
    page.locator("#folder").set_input_files(str(tree))
    expect(page.locator("#sheet > .frame")).to_have_count(3)
    expect(page.locator("#adding-sum")).to_contain_text(
        "3 of 3 pictures added. 2 files that are no pictures were passed over."
    )
    page.goto(page.url + "imports/")
    page.locator(".import-list a").click()
    expect(page.locator(".folder-list")).to_contain_text("Holiday/Day 1")
    page.get_by_role("button", name="Make an album for each folder").click()
    expect(page.locator("#toast")).to_contain_text("The pictures of 2 folders are in albums of their names.")
    found = person.desk.run("shell", "-v0", "-c", (
        "from captions.models import AlbumImage\n"
        f"for one in AlbumImage.objects.filter(album__owner__username={person.name!r}): print('in', one.album.name)"
    )).stdout  # fmt: skip
    assert sorted(re.findall("in (.*)", found)) == ["Holiday", "Holiday/Day 1", "Holiday/Day 1"]


def test_it_takes_a_folder_that_is_dropped(window: MakeWindow, person: Person, tree: Path) -> None:
    page = window().log_in(person)
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(tree)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})
    expect(page.locator("#sheet > .frame")).to_have_count(3)
    assert {one["folder"] for one in uploads(person)} == {"Holiday", "Holiday/Day 1"}


def test_it_opens_a_zip_file_and_tells_of_each_picture(window: MakeWindow, person: Person, tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number in range(3):
            archive.writestr(f"Day {number}/{number}.jpg", jpeg(make_scene(720 + number)))
        archive.writestr("inner.zip", b"PK")
        archive.writestr("__MACOSX/._0.jpg", b"x")
    path = tmp_path / "trip.zip"
    path.write_bytes(made.getvalue())
    page = window().log_in(person)
    choose(page, path)
    expect(page.locator("#adding-list")).to_contain_text("The pictures in it are added one by one.")
    page.get_by_role("link", name="See how far it is").click()
    expect(page.locator("#import-sums")).to_contain_text("3 of 4 files became pictures. 1 was not added.")
    expect(page.locator(".arrival", has_text="inner.zip")).to_contain_text("archive_nested")
    expect(page.locator(".arrival", has_text="trip.zip")).to_contain_text("Opened")
    page.locator("#import-chips").get_by_role("link", name="Not added").click()
    expect(page.locator(".arrival")).to_have_count(1)
    assert len(hashes(person)) == 3


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_has_no_barrier_on_its_pages(
    window: MakeWindow, person: Person, tmp_path: Path, theme: str, width: int
) -> None:
    opened = window(viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce")
    page = opened.log_in(person)
    found = {"empty": violations(opened.go("/imports/"))}
    made = tmp_path / "a long name of a file that does not fit into one line of a telephone.zip"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a/b/c/scene.jpg", jpeg(make_scene(730)))
        archive.writestr("a/notes.txt", b"words")
    with person.desk.client(person.token) as client:
        begun = {"Tus-Resumable": "1.0.0", "Upload-Length": "100"}
        client.post("/api/v1/uploads/", headers=begun)
    choose(page, made)
    page.get_by_role("link", name="See how far it is").click()
    expect(page.locator("#import-sums")).to_contain_text("1 of 2 files became pictures.")
    found["import"] = violations(page)
    found["imports"] = violations(opened.go("/imports/"))
    for path in ("/imports/", page.locator(".import-list a").get_attribute("href") or ""):
        page = opened.go(path)
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{path} is {too_wide} px wider than {width} px"
        if folder := os.environ.get("DESK_SCREENSHOTS"):
            name = "imports" if path == "/imports/" else "import"
            page.screenshot(path=f"{folder}/{name}-{width}-{theme}.png", full_page=True)
    assert {page: what for page, what in found.items() if what} == {}
