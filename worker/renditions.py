"""Which rendition of a picture a captioner is given: the smallest that shows it all it can see.

Opening the screen rendition takes four times the processor's time of the medium one, and most models shrink both to a
few hundred pixels.
"""

from __future__ import annotations

from typing import IO, Final

from captions import media
from captions.models import Image

#: A picture must have this many pixels for each one it is shrunk to, or the shrinking would show.
ROOM: Final = 1.5

Size = tuple[int, int]  # width, height in pixels


def shows_enough(medium: Size, *, screen: Size, side: int | None) -> bool:
    """Whether the medium rendition will do for a captioner that shrinks pictures to `side` pixels (Captioner.side).

    A medium rendition as large as the screen one always will: it has the finer quality. `medium` is 0, 0 where a
    picture has none.
    """
    if medium == screen:
        return True
    return side is not None and min(medium) >= ROOM * side


def open_for(image: Image, *, side: int | None) -> IO[bytes]:
    """Open the rendition that a captioner with `side` is given.

    Raises FileNotFoundError when there is none, OSError when it cannot be read now.
    """
    medium, screen = (image.medium_width, image.medium_height), (image.screen_width, image.screen_height)
    if media.has_medium(image) and shows_enough(medium, screen=screen, side=side):
        try:
            return media.open_file(image, media.Kind.MEDIUM)
        except FileNotFoundError:  # the screen rendition shows it no less
            pass
    return media.open_screen(image)
