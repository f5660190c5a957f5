"""What pictures are found by, filled for those that are there, and the databases' own indexes on it."""

import django.db.models.deletion
from django.conf import settings
from django.db import DatabaseError, migrations, models, transaction

from captions.searching import tokens

AT_ONCE = 1000
PARTS = (("title", "A"), ("words", "B"), ("tags", "B"), ("filename", "C"))

# Stems and the words as they stand: stop words and beginnings of words are found by the latter. The word between two
# parts is taken out again and leaves a gap, so that no phrase reaches from one part into the next.
GAP = "'_:1'::tsvector"
VECTOR = f" || {GAP} || ".join(
    f"setweight(to_tsvector('{language}'::regconfig, {name}), '{weight}')"
    for language in ("english", "simple")
    for name, weight in PARTS
)
POSTGRESQL = (
    f"ALTER TABLE captions_searchwords ADD COLUMN vector tsvector GENERATED ALWAYS AS (ts_delete({VECTOR}, '_')) STORED",
    "ALTER TABLE captions_searchwords ALTER COLUMN vector SET STATISTICS 500",
    "CREATE INDEX words_vector ON captions_searchwords USING gin (vector)",
    "CREATE INDEX words_trigrams ON captions_searchwords USING gin (plain gin_trgm_ops)",
)
NO_TRIGRAMS = (
    "The database user may not add the extension pg_trgm to this database. Let a superuser connect to it and run "
    "“CREATE EXTENSION pg_trgm;” once, then run manage.py migrate again. (Debian: the package postgresql-contrib.)"
)
COLUMNS = ", ".join(name for name, _ in PARTS)
OLD = ", ".join(f"old.{name}" for name, _ in PARTS)
NEW = ", ".join(f"new.{name}" for name, _ in PARTS)
TAKE_OUT = f"""
INSERT INTO captions_searchindex (captions_searchindex, rowid, {COLUMNS}) VALUES ('delete', old.id, {OLD});
INSERT INTO captions_searchtrigrams (captions_searchtrigrams, rowid, plain) VALUES ('delete', old.id, old.plain);
"""
PUT_IN = f"""
INSERT INTO captions_searchindex (rowid, {COLUMNS}) VALUES (new.id, {NEW});
INSERT INTO captions_searchtrigrams (rowid, plain) VALUES (new.id, new.plain);
"""
SQLITE = (
    f"""CREATE VIRTUAL TABLE captions_searchindex USING fts5({COLUMNS}, content='captions_searchwords',
    content_rowid='id', tokenize='porter unicode61 remove_diacritics 2', prefix='2 3')""",
    """CREATE VIRTUAL TABLE captions_searchtrigrams USING fts5(plain, content='captions_searchwords',
    content_rowid='id', tokenize='trigram')""",
    f"CREATE TRIGGER captions_searchwords_in AFTER INSERT ON captions_searchwords BEGIN {PUT_IN} END",
    f"CREATE TRIGGER captions_searchwords_out AFTER DELETE ON captions_searchwords BEGIN {TAKE_OUT} END",
    f"CREATE TRIGGER captions_searchwords_new AFTER UPDATE ON captions_searchwords BEGIN {TAKE_OUT} {PUT_IN} END",
    "INSERT INTO captions_searchindex (captions_searchindex) VALUES ('rebuild')",
    "INSERT INTO captions_searchtrigrams (captions_searchtrigrams) VALUES ('rebuild')",
)


def fill(apps, schema_editor):
    """Write down what the images that are there are found by, oldest first."""
    Image, SearchWords = apps.get_model("captions", "Image"), apps.get_model("captions", "SearchWords")
    ImageTag = apps.get_model("captions", "ImageTag")
    rows = Image.objects.filter(deleted_at__isnull=True).order_by("id")
    last = None
    while True:
        batch = list((rows.filter(pk__gt=last) if last else rows).select_related("caption")[:AT_ONCE])
        if not batch:
            return
        tags = {}
        for mark in ImageTag.objects.filter(image__in=batch).select_related("tag").order_by("tag__name"):
            tags.setdefault(mark.image_id, []).append(mark.tag.name)
        SearchWords.objects.bulk_create(made(SearchWords, image, tags.get(image.pk, ())) for image in batch)
        last = batch[-1].pk


def made(SearchWords, image, tags):
    words = image.caption.text if image.caption else ""
    parts = {"title": image.title, "words": words, "tags": " ".join(tags), "filename": image.filename}
    cut = {name: " ".join(tokens(text)) for name, text in parts.items()}
    plain = " ".join(filter(None, cut.values()))
    return SearchWords(image_id=image.pk, owner_id=image.owner_id, shown=image.caption_id, plain=plain, **cut)


def make_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        add_trigrams(schema_editor)
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement, params=None)


def add_trigrams(schema_editor):
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm", params=None)
    except DatabaseError as error:
        raise RuntimeError(NO_TRIGRAMS) from error


def drop_index(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for name in ("captions_searchindex", "captions_searchtrigrams"):
            schema_editor.execute(f"DROP TABLE {name}", params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("captions", "0010_quality"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name="SearchWords",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("shown", models.UUIDField(help_text="The caption whose words these are; none while the image has none.", null=True)),
                ("title", models.TextField(blank=True)),
                ("words", models.TextField(blank=True)),
                ("tags", models.TextField(blank=True)),
                ("filename", models.TextField(blank=True)),
                ("plain", models.TextField(blank=True, help_text="All of them, one after the other.")),
                ("image", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name="search_words", to="captions.image")),
                ("owner", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
            options={"indexes": [models.Index(fields=["owner", "id"], name="words_of_owner")]},
        ),
        migrations.AddIndex(
            model_name="image",
            index=models.Index(condition=models.Q(("deleted_at__isnull", True)), fields=["owner", "state"], name="image_counted"),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RunPython(make_index, drop_index),
    ]
