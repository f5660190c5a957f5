"""How one set of methods serves both clients: what is written once as steps is called plainly, or awaited."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ValidationError

from captiondesk.errors import UnexpectedAnswer
from captiondesk.retrying import Retries, answered
from captiondesk.streams import Following, Stream, followed
from captiondesk.told import Told
from captiondesk.wire import Answer, Request, Steps

P = ParamSpec("P")
T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)


class Blocking:
    """The mode of `Client`: methods return when they are done."""


class Awaiting:
    """The mode of `AsyncClient`: methods are awaited."""


ModeT = TypeVar("ModeT", Blocking, Awaiting)


class Runner:
    """Carries steps out. Each client has one."""

    retries: Retries

    def run(self, steps: Steps[T]) -> Any:
        """Carry the steps out; give what they return, or something that can be awaited for it."""
        raise NotImplementedError

    def walk(self, listing: Listing[Any]) -> Any:
        """Give an iterator, plain or asynchronous, over all that a list has."""
        raise NotImplementedError

    def follow(self, steps: Following) -> Any:
        """Give a generator, plain or asynchronous, of what a stream tells."""
        raise NotImplementedError


class Operations(Generic[ModeT]):
    """A group of methods, such as `client.images`."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def _send(self, request: Request) -> Steps[Answer]:
        return answered(request, self._runner.retries)

    def _ask(self, model: type[ModelT], request: Request) -> Steps[ModelT]:
        came = yield from self._send(request)
        return read(model, came)

    def _tell(self, request: Request) -> Steps[None]:
        yield from self._send(request)


def read(model: type[ModelT], came: Answer) -> ModelT:
    """Read an answer's body. Raises UnexpectedAnswer."""
    try:
        told = model.model_validate_json(came.body)
    except ValidationError as error:
        raise UnexpectedAnswer(
            f"The answer is none of a Caption Desk's, or of one that is older than this package: {error}"
        ) from error
    if isinstance(told, Told):
        told._etag = came.headers.get("etag")
    return told


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list of the API: the request of its first page, and what its pages are."""

    request: Request
    page: type[BaseModel]
    query: Mapping[str, Any] = field(default_factory=dict)

    def first(self) -> Request:
        """Give the request of the first page."""
        return Request(self.request.operation, into=self.request.into, query=self.query)

    def read(self, came: Answer) -> tuple[list[T], Request | None]:
        """Give what is on a page, and the request of the next one.

        Only what stands behind the question mark of `next` is taken. Whoever could write another host there would else
        be sent the token.
        """
        page: Any = read(self.page, came)
        if page.next is None:
            return page.results, None
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(urlsplit(page.next).query, keep_blank_values=True):
            query.setdefault(name, []).append(value)
        return page.results, Request(self.request.operation, into=self.request.into, query=query)


class operation(Generic[P, T]):  # noqa: N801  # a decorator, named like one
    """Make a method of steps: `Client` gives what they return, `AsyncClient` something to be awaited."""

    def __init__(self, steps: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self.steps = steps
        self.__doc__ = steps.__doc__
        self.__wrapped__ = steps

    @overload
    def __get__(self, instance: Operations[Blocking], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Operations[Awaiting], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, instance: None, owner: type) -> operation[P, T]: ...
    def __get__(self, instance: Operations[Any] | None, owner: type) -> Any:
        """Bind to a client's group of methods."""
        if instance is None:
            return self
        runner = instance._runner

        @functools.wraps(self.steps)
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return runner.run(self.steps(instance, *args, **kwargs))

        return call


class listing(Generic[P, T]):  # noqa: N801  # as above
    """Make a method of a list: `Client` gives an iterator, `AsyncClient` an asynchronous one.

    Pages are fetched one by one while the iterator is used.
    """

    def __init__(self, build: Callable[Concatenate[Any, P], Listing[T]]) -> None:
        self.build = build
        self.__doc__ = build.__doc__
        self.__wrapped__ = build

    @overload
    def __get__(self, instance: Operations[Blocking], owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, instance: Operations[Awaiting], owner: type) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, instance: None, owner: type) -> listing[P, T]: ...
    def __get__(self, instance: Operations[Any] | None, owner: type) -> Any:
        """Bind to a client's group of methods."""
        if instance is None:
            return self
        runner = instance._runner

        @functools.wraps(self.build)
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return runner.walk(self.build(instance, *args, **kwargs))

        return call


class following(Generic[P, T]):  # noqa: N801  # as above
    """Make a method of a stream: `Client` gives a generator of what it tells, `AsyncClient` an asynchronous one."""

    def __init__(self, build: Callable[Concatenate[Any, P], Stream[T]]) -> None:
        self.build = build
        self.__doc__ = build.__doc__
        self.__wrapped__ = build

    @overload
    def __get__(self, instance: Operations[Blocking], owner: type) -> Callable[P, Generator[T, None, None]]: ...
    @overload
    def __get__(self, instance: Operations[Awaiting], owner: type) -> Callable[P, AsyncGenerator[T, None]]: ...
    @overload
    def __get__(self, instance: None, owner: type) -> following[P, T]: ...
    def __get__(self, instance: Operations[Any] | None, owner: type) -> Any:
        """Bind to a client's group of methods."""
        if instance is None:
            return self
        runner = instance._runner

        @functools.wraps(self.build)
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return runner.follow(followed(self.build(instance, *args, **kwargs), runner.retries))

        return call
