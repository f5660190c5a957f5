"""Uploaded bytes become a stored image, or a refusal that leaves nothing behind."""

import errno
import hashlib
import io
import shutil
from collections import namedtuple

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db import OperationalError
from django.http import UnreadablePostError
from PIL import Image as Pillow

from captions import decoder, ingest, media, trash
from captions.errors import DeskError
from captions.models import Account, CaptionJob, Image
from captions.storage import DurableFileStorage
from tests import factories
from tests.ingest.conftest import files_in
from tests.jobs.conftest import at_once

pytestmark = pytest.mark.usefixtures("store")


def take(owner, data, **options) -> ingest.Received:
    return ingest.receive(owner=owner, file=io.BytesIO(data), filename=options.pop("filename", "a.jpg"), **options)


def refusal(owner, data, **options) -> str:
    with pytest.raises(DeskError) as refused:
        take(owner, data, **options)
    return refused.value.code


@pytest.mark.parametrize(
    ("format", "ending"), [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif"), ("BMP", "bmp")]
)
def test_it_stores_the_original_byte_for_byte_and_three_renditions(owner, store, format, ending):
    data = factories.picture(format=format, width=1000, height=750)
    received = take(owner, data, filename="harbour.jpg")
    image = received.image
    assert (received.created, received.job) == (True, None)
    assert (image.format, image.width, image.height, image.bytes) == (format, 1000, 750, len(data))
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    assert (image.thumbnail_width, image.thumbnail_height) == (480, 360)
    assert (image.medium_width, image.medium_height) == (800, 600)
    assert (image.screen_width, image.screen_height) == (1000, 750)
    assert (store / "media" / media.original(image)).read_bytes() == data
    assert media.original(image).endswith(f"{image.id}.{ending}")
    for name, width in ((media.thumbnail(image), 480), (media.medium(image), 800), (media.screen(image), 1000)):
        with Pillow.open(store / "media" / name) as picture:
            assert (picture.format, picture.width) == ("WEBP", width)
    assert files_in(store / "incoming") == []
    assert len(files_in(store / "media")) == 4


def test_it_lets_the_web_server_s_other_users_read_the_files(owner, store):
    take(owner, factories.picture())
    for name in files_in(store / "media"):
        assert (store / "media" / name).stat().st_mode & 0o777 == 0o644


def test_it_numbers_an_owner_s_pictures_from_one_and_never_again(owner, stranger):
    numbers = [take(owner, factories.picture()).image.number for _ in range(3)]
    assert numbers == [1, 2, 3]
    factories.make_trash(Image.objects.get(number=3))
    trash.purge(older_than_days=0)
    assert take(owner, factories.picture()).image.number == 4
    assert take(stranger, factories.picture()).image.number == 1


def test_it_asks_for_captions_only_when_told_to(owner):
    factories.make_worker()
    assert take(owner, factories.picture()).job is None
    received = take(owner, factories.picture(), chosen={"num_beams": 2}, model="demo", lane=CaptionJob.Lane.BULK)
    assert received.job.params == {"num_beams": 2}
    assert (received.job.model, received.job.lane, received.job.state) == ("demo", 1, "queued")


def test_it_gives_the_image_as_it_is_after_the_job_was_asked_for(owner):
    assert take(owner, factories.picture(), chosen={}).image.state == "queued"


@pytest.mark.parametrize("kind", [SimpleUploadedFile, TemporaryUploadedFile])
def test_it_reads_what_a_form_brings(owner, kind):
    data = factories.picture()
    file = kind("a.jpg", data) if kind is SimpleUploadedFile else kind("a.jpg", "image/jpeg", len(data), None)
    if kind is TemporaryUploadedFile:
        file.write(data)
        file.seek(0)
    assert ingest.receive(owner=owner, file=file, filename="a.jpg").created


# --- The same bytes again ------------------------------------------------------------------------------------------


def test_it_gives_the_image_that_is_there_for_the_same_bytes(owner, store, monkeypatch):
    data = factories.picture()
    first = take(owner, data, filename="first.jpg").image
    monkeypatch.setattr(ingest, "decode", lambda *a, **k: pytest.fail("decoded again"))
    again = take(owner, data, filename="second.jpg")
    assert (again.created, again.image, again.image.filename) == (False, first, "first.jpg")
    assert len(files_in(store / "media")) == 4
    assert Image.objects.count() == 1


def test_it_keeps_two_owners_of_the_same_bytes_apart(owner, stranger):
    data = factories.picture()
    assert take(owner, data).image != take(stranger, data).image


def test_it_asks_for_captions_of_known_bytes_only_when_there_is_reason(owner):
    data = factories.picture()
    first = take(owner, data)
    assert take(owner, data).job is None  # nobody asked
    job = take(owner, data, chosen={}).job  # no words yet
    assert take(owner, data, chosen={}).job == job  # it waits already
    assert take(owner, data).job == job
    factories.finish(job, "a boat")
    assert take(owner, data, chosen={}).job is None  # it has words
    other = take(owner, data, chosen={"num_beams": 3}).job  # something was chosen
    assert (other.state, other.params) == ("queued", {"num_beams": 3})
    assert take(owner, data, chosen={"num_beams": 3}).job == other
    factories.make_worker(model="other")
    assert take(owner, data, chosen={}, model="other").job not in (job, other)
    assert CaptionJob.objects.filter(image=first.image).count() == 3


def test_it_takes_known_bytes_out_of_the_trash(owner):
    data = factories.picture()
    image = take(owner, data, chosen={}).image
    factories.make_trash(image)
    again = take(owner, data, chosen={})
    assert (again.created, again.image, again.image.deleted_at) == (False, image, None)
    assert again.job.state == "queued"
    assert again.image.state == "queued"


def test_it_puts_lost_files_back_when_the_picture_is_sent_again(owner, store):
    data = factories.picture()
    image = take(owner, data).image
    shutil.rmtree(store / "media")
    assert not media.is_complete(image)
    assert take(owner, data).image == image
    assert media.is_complete(image)
    assert (store / "media" / media.original(image)).read_bytes() == data


def test_it_puts_back_of_an_older_image_what_its_row_tells_of(owner, store):
    data = factories.picture()
    image = take(owner, data).image
    shutil.rmtree(store / "media")
    Image.objects.update(medium_width=0, medium_height=0)
    older = take(owner, data).image
    assert media.is_complete(older)
    assert files_in(store / "media") == sorted(media.names(older))
    assert len(media.names(older)) == len(media.names(image)) - 1 == 3


@pytest.mark.usefixtures("transactional_db")
def test_it_makes_one_image_of_the_same_bytes_sent_eight_times_at_once(store):
    owner = factories.make_person("olga")
    data = factories.picture()
    results = at_once(*[lambda: take(owner, data, chosen={})] * 8)
    assert not [one for one in results if isinstance(one, Exception)], results
    assert sorted(one.created for one in results) == [False] * 7 + [True]
    assert len({one.image.pk for one in results}) == 1
    assert len({one.job.pk for one in results}) == 1
    assert (Image.objects.count(), CaptionJob.objects.count(), len(files_in(store / "media"))) == (1, 1, 4)
    assert files_in(store / "incoming") == []


@pytest.mark.usefixtures("transactional_db")
def test_it_gives_pictures_sent_at_once_numbers_of_their_own():
    owner = factories.make_person("olga")
    pictures = [factories.picture() for _ in range(8)]
    results = at_once(*(lambda data=data: take(owner, data) for data in pictures))
    assert sorted(one.image.number for one in results) == list(range(1, 9))
    assert Account.objects.get(user=owner).last_number == 8


# --- Refusals ------------------------------------------------------------------------------------------------------


def nothing_is_left(store) -> bool:
    return not files_in(store) and not Image.objects.exists() and not CaptionJob.objects.exists()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"hello, I am a text", "unsupported_format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "unsupported_format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "unsupported_format"),
        (factories.picture(width=400, height=400)[:-1500], "truncated_image"),
    ],
)
def test_it_refuses_with_the_decoder_s_words_and_keeps_nothing(owner, store, data, code):
    assert refusal(owner, data, chosen={}) == code
    assert nothing_is_left(store)


def test_it_refuses_what_is_too_large_while_it_is_still_coming_in(owner, store, settings):
    settings.MAX_UPLOAD_BYTES = 3_000_000

    class Endless:
        given = 0

        def read(self, size):
            self.given += size
            assert self.given < 10_000_000, "read on although it was too large"
            return bytes(size)

    with pytest.raises(DeskError) as refused:
        ingest.receive(owner=owner, file=Endless(), filename="a.jpg")
    assert (refused.value.code, refused.value.attr) == ("file_too_large", "file")
    assert nothing_is_left(store)


def test_it_holds_the_limits_of_the_settings(owner, settings):
    settings.MAX_PIXELS = 3000
    assert refusal(owner, factories.picture(width=64, height=48)) == "too_many_pixels"
    settings.MAX_PIXELS = 64_000_000
    settings.ACCEPT_AVIF = False
    assert refusal(owner, factories.picture(format="AVIF")) == "format_turned_off"


@pytest.mark.parametrize("error", [UnreadablePostError("gone"), ConnectionResetError(), TimeoutError()])
def test_it_says_when_the_upload_stopped_half_way(owner, store, error):
    class Broken(io.BytesIO):
        def read(self, size=-1, /):
            if self.tell():
                raise error
            return super().read(100)

    with pytest.raises(DeskError) as refused:
        ingest.receive(owner=owner, file=Broken(factories.picture()), filename="a.jpg")
    assert refused.value.code == "upload_interrupted"
    assert nothing_is_left(store)


def test_it_refuses_at_once_when_the_disk_is_nearly_full(owner, store, monkeypatch, settings):
    usage = namedtuple("usage", "total used free")  # the shape of shutil's own answer
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, settings.MIN_FREE_DISK_BYTES - 1))
    file = io.BytesIO(factories.picture())
    with pytest.raises(DeskError) as refused:
        ingest.receive(owner=owner, file=file, filename="a.jpg")
    assert (refused.value.code, refused.value.failure.status) == ("disk_full", 507)
    assert file.tell() == 0, "the body was read although there was no room for it"


@pytest.mark.parametrize("at", [1, 2, 3])
def test_it_keeps_nothing_when_the_disk_runs_full_while_storing_and_recovers(owner, store, monkeypatch, at):
    real, calls = DurableFileStorage.take, []

    def take_some(self, source, name):
        calls.append(name)
        if len(calls) == at:
            raise OSError(errno.ENOSPC, "No space left on device", str(source))
        real(self, source, name)

    data = factories.picture()
    monkeypatch.setattr(DurableFileStorage, "take", take_some)
    assert refusal(owner, data, chosen={}) == "disk_full"
    assert nothing_is_left(store)
    monkeypatch.undo()
    assert take(owner, data).created


def test_it_keeps_nothing_when_the_database_s_disk_is_full(owner, store, monkeypatch):
    def full(*args, **kwargs):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(Image, "save", full)
    assert refusal(owner, factories.picture()) == "disk_full"
    assert files_in(store) == []


def test_it_leaves_files_to_the_sweep_when_nobody_knows_whether_the_row_was_committed(owner, store, monkeypatch):
    def lost(*args, **kwargs):
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(Image, "save", lost)
    with pytest.raises(OperationalError):
        take(owner, factories.picture())
    assert len(files_in(store / "media")) == 4
    assert files_in(store / "incoming") == []


def test_it_keeps_nothing_when_the_owner_has_too_many_waiting(owner, store, settings):
    settings.QUEUE_LIMIT_PER_OWNER = 0
    assert refusal(owner, factories.picture(), chosen={}) == "queue_full"
    assert nothing_is_left(store)
    assert take(owner, factories.picture()).created


def test_it_says_when_the_decoder_has_no_free_place(owner, store, monkeypatch):
    def busy(*args, **kwargs):
        raise decoder.DecoderUnavailable("no free place for 60 seconds")

    monkeypatch.setattr(ingest, "decode", busy)
    assert refusal(owner, factories.picture()) == "decoder_busy"
    assert nothing_is_left(store)


@pytest.mark.usefixtures("transactional_db")
def test_it_refuses_to_decode_inside_a_transaction():
    from django.db import transaction

    owner = factories.make_person("olga")
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        take(owner, factories.picture())
