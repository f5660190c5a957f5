"""`captiondesk caption`: have pictures captioned again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

from captiondesk import Client, Conflict, GenerationParams, InvalidRequest, NotFound
from captiondesk.command.screen import Exit, Screen, Stop, plain


def parameters(given: Sequence[str]) -> GenerationParams:
    """Read `name=value` pairs. Raises Stop for a name that there is not."""
    read: dict[str, Any] = {}
    for pair in given:
        name, mark, value = pair.partition("=")
        if not mark or name not in GenerationParams.__annotations__:
            names = ", ".join(sorted(GenerationParams.__annotations__))
            raise Stop(f"“{pair}” is no parameter. Write NAME=VALUE, with one of these names: {names}.")
        try:
            read[name] = json.loads(value)
        except ValueError:
            read[name] = value
    return cast("GenerationParams", read)  # the desk checks the values


def caption(
    client: Client,
    screen: Screen,
    images: Sequence[str],
    *,
    query: str | None,
    wait: float | None,
    params: GenerationParams,
    as_json: bool,
) -> Exit:
    """Ask for captions of the pictures that were named or that a search finds, and show what came of it."""
    failed = 0
    for image in _named(client, images, query):
        try:
            job = client.images.caption(image, wait=wait, **params)
        except (NotFound, InvalidRequest, Conflict) as error:
            failed += 1
            screen.note(f"{image}: {error}")
            continue
        unfinished = wait is not None and job.state in ("queued", "running")
        failed += job.state == "failed" or unfinished
        if as_json:
            screen.object(job.model_dump(mode="json"))
            continue
        words = " | ".join(one.text for one in job.captions) or (job.error.detail if job.error else job.state)
        screen.line(f"{job.image}  {plain(words)}")
    return Exit.PARTLY if failed else Exit.DONE


def _named(client: Client, images: Sequence[str], query: str | None) -> Iterator[str]:
    if bool(images) == (query is not None):
        raise Stop("Name pictures by their ids, or find them with --query.")
    if query is None:
        yield from images
        return
    # All are found before the first is asked for: asking changes their state, and with it what is found.
    found = [str(image.id) for image in client.images.list(q=query, page_size=200)]
    if not found:
        raise Stop("Nothing was found.", Exit.PARTLY)
    yield from found
