"""The two clients: one that blocks, one that awaits. All they know is how to send one request and how to wait."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import AsyncExitStack, ExitStack
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import httpx2

from captiondesk import models
from captiondesk.bulk import Bulk
from captiondesk.resources import Albums, Images, Jobs, Models, Reviews, Searches, Tags, Uploads
from captiondesk.retrying import Retries, answered
from captiondesk.streams import Event, Following, Stream, event_of
from captiondesk.surface import Awaiting, Blocking, Listing, ModeT, Operations, Runner, following, operation
from captiondesk.telling import Webhooks
from captiondesk.wire import JSON, Answer, Broken, Command, Do, Emit, Open, Pause, Read, Request, Send, Steps

T = TypeVar("T")
CONNECT_SECONDS: Final = 10
try:
    VERSION = version("captiondesk")
except PackageNotFoundError:  # used from its source, not installed
    VERSION = "0"


class Settings:
    """Where the desk is, who asks, and how patiently. What is not given comes from the environment."""

    def __init__(self, url: str | None, token: str | None, seconds: float) -> None:
        self.url = (url or os.environ.get("CAPTIONDESK_URL", "")).rstrip("/")
        self.token = token or os.environ.get("CAPTIONDESK_TOKEN", "")
        self.seconds = seconds
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("Give the address of the desk, such as https://captions.example.org (or CAPTIONDESK_URL).")
        if not self.token.isascii() or any(one.isspace() for one in self.token):
            raise ValueError("A token is one word of plain letters. Copy it again, without anything around it.")

    def headers(self) -> dict[str, str]:
        """Give the headers of every request."""
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {"Accept": JSON, "User-Agent": f"captiondesk/{VERSION}", **bearer}

    def options(self, request: Request) -> dict[str, Any]:
        """Write a request the way httpx2 takes it."""
        options: dict[str, Any] = {
            "method": request.method,
            "url": self.url + request.path,
            "headers": {**self.headers(), **request.headers},
            "timeout": httpx2.Timeout(self.seconds + request.patience, connect=CONNECT_SECONDS),
            "follow_redirects": False,  # the token is for this address alone
        }
        if query := {name: value for name, value in request.query.items() if value is not None}:
            options["params"] = query
        if request.file is not None:
            options["files"] = {"file": request.file}
            options["data"] = {name: value for name, value in request.form.items() if value is not None}
        elif request.content is not None:
            options["content"] = request.content
        elif request.json is not None:
            options["json"] = request.json
        return options


def _head(came: httpx2.Response, body: bytes) -> Answer:
    return Answer(came.status_code, {name.lower(): value for name, value in came.headers.items()}, body)


def _whole(came: httpx2.Response) -> Answer:
    return _head(came, came.content)


class Sender(Runner):
    """Carries steps out and blocks meanwhile."""

    def __init__(self, settings: Settings, retries: Retries, http: httpx2.Client) -> None:
        self.settings, self.retries, self.http = settings, retries, http

    def run(self, steps: Steps[T]) -> T:
        """Carry the steps out; give what they return."""
        try:
            command = next(steps)
            while True:
                try:
                    came = self._carry_out(command)
                except Exception as error:  # noqa: BLE001  # handed on to whoever asked for it, in the steps
                    command = steps.throw(error)
                else:
                    command = steps.send(came)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            steps.close()

    def walk(self, listing: Listing[T]) -> Iterator[T]:
        """Give what a list has, fetching its pages one by one."""
        request: Request | None = listing.first()
        while request is not None:
            results, request = listing.read(self.run(answered(request, self.retries)))
            yield from results

    def follow(self, steps: Following) -> Generator[Any, None, None]:
        """Give what a stream tells, for as long as it does. Closing the generator closes the line."""
        came: Any = None
        chunks: Iterator[bytes] = iter(())
        with ExitStack() as line:
            while True:
                try:
                    command = steps.send(came)
                except StopIteration:
                    return
                came = None
                match command:
                    case Emit(item):
                        yield item
                    case Open(request):
                        line.close()
                        try:
                            response = line.enter_context(self.http.stream(**self.settings.options(request)))
                            came = _head(response, b"" if response.status_code == 200 else response.read())
                        except httpx2.TransportError as error:
                            came = Broken(error)
                        else:
                            chunks = response.iter_bytes()
                    case Read():
                        try:
                            came = next(chunks, b"")
                        except httpx2.TransportError as error:
                            came = Broken(error)
                    case _:
                        came = self._carry_out(command)

    def _carry_out(self, command: Command) -> Any:
        match command:
            case Send(request):
                try:
                    return _whole(self.http.request(**self.settings.options(request)))
                except httpx2.TransportError as error:
                    return Broken(error)
            case Pause(seconds):
                return time.sleep(seconds)
            case Do(call):
                return call()


class AsyncSender(Runner):
    """Carries steps out and lets the event loop go on meanwhile."""

    def __init__(self, settings: Settings, retries: Retries, http: httpx2.AsyncClient) -> None:
        self.settings, self.retries, self.http = settings, retries, http

    async def run(self, steps: Steps[T]) -> T:
        """Carry the steps out; give what they return."""
        try:
            command = next(steps)
            while True:
                try:
                    came = await self._carry_out(command)
                except Exception as error:  # noqa: BLE001  # as above
                    command = steps.throw(error)
                else:
                    command = steps.send(came)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            steps.close()

    async def walk(self, listing: Listing[T]) -> AsyncIterator[T]:
        """Give what a list has, fetching its pages one by one."""
        request: Request | None = listing.first()
        while request is not None:
            results, request = listing.read(await self.run(answered(request, self.retries)))
            for one in results:
                yield one

    async def follow(self, steps: Following) -> AsyncGenerator[Any, None]:
        """Give what a stream tells, for as long as it does. Closing the generator closes the line."""
        came: Any = None
        chunks: AsyncIterator[bytes] | None = None
        async with AsyncExitStack() as line:
            while True:
                try:
                    command = steps.send(came)
                except StopIteration:
                    return
                came = None
                match command:
                    case Emit(item):
                        yield item
                    case Open(request):
                        await line.aclose()
                        try:
                            response = await line.enter_async_context(
                                self.http.stream(**self.settings.options(request))
                            )
                            came = _head(response, b"" if response.status_code == 200 else await response.aread())
                        except httpx2.TransportError as error:
                            came = Broken(error)
                        else:
                            chunks = response.aiter_bytes()
                    case Read():
                        assert chunks is not None
                        try:
                            came = await anext(chunks, b"")
                        except httpx2.TransportError as error:
                            came = Broken(error)
                    case _:
                        came = await self._carry_out(command)

    async def _carry_out(self, command: Command) -> Any:
        match command:
            case Send(request):
                try:
                    return _whole(await self.http.request(**self.settings.options(request)))
                except httpx2.TransportError as error:
                    return Broken(error)
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case Do(call):
                return await asyncio.to_thread(call)


class Desk(Operations[ModeT]):
    """All that a desk can do, in groups; the same for both clients."""

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self.images: Images[ModeT] = Images(runner)
        self.jobs: Jobs[ModeT] = Jobs(runner)
        self.reviews: Reviews[ModeT] = Reviews(runner)
        self.albums: Albums[ModeT] = Albums(runner)
        self.tags: Tags[ModeT] = Tags(runner)
        self.models: Models[ModeT] = Models(runner)
        self.searches: Searches[ModeT] = Searches(runner)
        self.uploads: Uploads[ModeT] = Uploads(runner)
        self.bulk: Bulk[ModeT] = Bulk(runner)
        self.webhooks: Webhooks[ModeT] = Webhooks(runner)

    @operation
    def me(self) -> Steps[models.Me]:
        """Say who you are, how many pictures you have in which state, and which model answers."""
        return self._ask(models.Me, Request("get_me"))

    @operation
    def quality(self) -> Steps[models.Quality]:
        """Say how the quality score was learned, and how right it is."""
        return self._ask(models.Quality, Request("get_quality"))

    @following
    def events(self, *, after: str | None = None) -> Stream[Event]:
        """Hear what happens to your pictures, from the first step on or after the event with the id `after`, for ever.

        A line that breaks or ends is opened again where it was, and no event comes twice. Keep the last event's `id`
        to go on in another process within three days; it may be told once more what happened up to ten seconds before.
        Raises ApiError, and ConnectionFailed when the desk stays away.
        """
        return Stream(Request("stream_events"), event_of, after=after or "", is_numbered=True)


class Client(Desk[Blocking]):
    """A desk, for programs that wait for each answer. It may be used from several threads at once.

        with Client("https://captions.example.org", token="cdesk_...") as client:
            image = client.images.upload("harbour.jpg", wait=30)
            print(image.caption and image.caption.text)

    Address and token come from CAPTIONDESK_URL and CAPTIONDESK_TOKEN when they are not given. `timeout` is how many
    seconds the desk may be silent. `http` is an httpx2 client of your own, for a proxy, say; you close it.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 45,
        retries: Retries | None = None,
        http: httpx2.Client | None = None,
    ) -> None:
        self._own = None if http else httpx2.Client()
        used = http or self._own
        assert used is not None
        super().__init__(Sender(Settings(url, token, timeout), retries or Retries(), used))

    def close(self) -> None:
        """Close the connections."""
        if self._own:
            self._own.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(Desk[Awaiting]):
    """A desk, for programs with an event loop: the methods of `Client`, awaited; its lists are gone through `async`.

    async with AsyncClient("https://captions.example.org", token="cdesk_...") as client:
        async for image in client.images.list(q="state:draft"):
            await client.reviews.approve(image.id)
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 45,
        retries: Retries | None = None,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        self._own = None if http else httpx2.AsyncClient()
        used = http or self._own
        assert used is not None
        super().__init__(AsyncSender(Settings(url, token, timeout), retries or Retries(), used))

    async def aclose(self) -> None:
        """Close the connections."""
        if self._own:
            await self._own.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
