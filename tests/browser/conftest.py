"""A real browser before a desk of real processes. Any console error, or request to another origin, fails the test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from tests.harness import Desk, desk, until
from worker.demo.scenes import jpeg, make_scene

PASSWORD = "correct-horse-battery"
CHROMIUM = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    """Use the system's browser: the one that Playwright would download is not needed."""
    path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    return {**browser_type_launch_args, "executable_path": path, "args": CHROMIUM.split()}


@pytest.fixture(scope="session")
def shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with a web server, for all files whose tests leave it as it was but for their own people's pictures."""
    with desk(tmp_path_factory.mktemp("desk")) as made:
        made.start_web()
        yield made


@pytest.fixture(scope="module")
def own_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The same for one file: because it has workers, reviewers or operators, who would change what others see."""
    with desk(tmp_path_factory.mktemp("desk")) as made:
        made.start_web()
        yield made


@pytest.fixture(scope="module")
def running(shared_desk: Desk) -> Desk:
    """The desk of a file's tests."""
    return shared_desk


@dataclass
class Person:
    """Somebody with an account of their own, so that tests share a desk without sharing pictures."""

    desk: Desk
    name: str
    token: str

    def scenes(self, first: int, number: int) -> list[dict[str, object]]:
        """Send drawn scenes by the API and wait for their captions; gives the images as the API tells them."""
        with self.desk.client(self.token) as client:
            answers = []
            for seed in range(first, first + number):
                file = ("file", (f"scene-{seed}.jpg", jpeg(make_scene(seed)), "image/jpeg"))
                answers.append(client.post("/api/v1/images/?wait=60", files=[file]))
        assert {answer.status_code for answer in answers} == {201}, [answer.text[:300] for answer in answers]
        return [answer.json() for answer in answers]


@dataclass
class Window:
    """One browser window with what it complained about and whom it asked."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note errors and requests from now on."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        # A refused form answers 4xx, which the browser reports as an error of the page; tests look at the words.
        expected = "the server responded with a status of 4" in message.text
        if message.type == "error" and not expected:
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" != self.url:
            self.foreign.append(request.url)

    def go(self, path: str) -> Page:
        """Open an address of the desk."""
        self.page.goto(f"{self.url}{path}")
        return self.page

    def log_in(self, person: Person) -> Page:
        """Log in by the page, as people do."""
        page = self.go("/accounts/login/")
        page.get_by_label("User name or e-mail address").fill(person.name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in", exact=True).click()
        page.wait_for_url(f"{self.url}/")
        return page


_MAKE_PEOPLE = """
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from captions import tokens
password = make_password("correct-horse-battery")  # once: it takes half a second, as it should
for number in range(1, 121):
    user = User.objects.create(username=f"person{number}", email=f"person{number}@example.org", password=password)
    print(user.username, tokens.mint(user=user, name="tests")[1])
"""
_CROWDS: dict[Path, Iterator[Person]] = {}


@pytest.fixture(scope="module")
def people(running: Desk) -> Iterator[Person]:
    """People nobody has been yet; made all at once, because each command of the desk takes seconds to start."""
    if running.folder not in _CROWDS:
        lines = running.run("shell", "-v0", "-c", _MAKE_PEOPLE).stdout.splitlines()
        _CROWDS[running.folder] = iter([Person(running, *line.split()) for line in lines if line.startswith("person")])
    return _CROWDS[running.folder]


@pytest.fixture
def person(people: Iterator[Person]) -> Person:
    """A new person on the desk."""
    return next(people)


MakeWindow = Callable[..., Window]


@pytest.fixture
def window(running: Desk, browser: Browser) -> Iterator[MakeWindow]:
    """Open windows: `window(**options of the browser's context)`. They must end without a complaint."""
    contexts: list[BrowserContext] = []
    windows: list[Window] = []

    def make(**options: object) -> Window:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options}))
        contexts[-1].set_default_timeout(60_000)
        made = Window(contexts[-1].new_page(), running.url)
        made.watch()
        windows.append(made)
        return made

    yield make
    for context in contexts:
        context.close()
    for made in windows:
        assert made.complaints == []
        assert made.foreign == []


def until_ready(made: Desk) -> None:
    """Wait until a worker serves its model."""
    ready = lambda: httpx2.get(f"{made.url}/readyz", trust_env=False).status_code == 200  # noqa: E731  # one use
    try:
        until(ready, seconds=180, what="the desk is ready")
    except TimeoutError as error:
        raise TimeoutError(f"{error}\n{made.logs()}") from None
