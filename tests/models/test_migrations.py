"""Desks that are in use go on to a newer version with all they hold."""

from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from captions import media
from captions.models import Caption, Image

BEFORE_MEDIUM = [("captions", "0005_several_models")]


def migrate(targets: list[tuple[str, str]]) -> MigrationExecutor:
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return executor


@pytest.fixture
def before_medium(transactional_db: None) -> Iterator[MigrationExecutor]:
    """The database as it was before there was a medium rendition; afterwards as it is now."""
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    yield migrate(BEFORE_MEDIUM)
    migrate(newest)


def test_it_keeps_pictures_and_words_that_were_there_before_the_medium_rendition(before_medium):
    then = before_medium.loader.project_state(BEFORE_MEDIUM).apps
    owner = then.get_model("auth", "User").objects.create(username="olga")
    image = then.get_model("captions", "Image").objects.create(
        owner=owner, number=1, sha256="0" * 64, format="PNG", width=4, height=3, bytes=99,
        thumbnail_width=4, thumbnail_height=3, screen_width=4, screen_height=3,
    )  # fmt: skip
    then.get_model("captions", "Caption").objects.create(image=image, text="a boat", kind="written", author=owner)
    with_medium = [("captions", "0006_medium_rendition")]
    kept = migrate(with_medium).loader.project_state(with_medium).apps.get_model("captions", "Image").objects.get()
    assert (kept.medium_width, kept.medium_height, media.has_medium(kept)) == (0, 0, False)
    assert media.names(kept) == (media.original(kept), media.screen(kept), media.thumbnail(kept))
    with pytest.raises(DatabaseError, match="only ever added"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM captions_caption")
    migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())
    assert Image.objects.get().title == ""
    assert Caption.objects.get().text == "a boat"
    with pytest.raises(DatabaseError, match="only ever added"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM captions_caption")
