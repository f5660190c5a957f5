"""The database itself refuses to change or delete captions and reviews while their image is not in the trash."""

from django.db import migrations

TABLES = ("captions_caption", "captions_review")

POSTGRESQL = """
CREATE FUNCTION captions_words_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND NOT EXISTS (
        SELECT 1 FROM captions_image WHERE id = OLD.image_id AND deleted_at IS NULL
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% rows are only ever added', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""
POSTGRESQL_TRIGGER = """
CREATE TRIGGER {table}_words_stay BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION captions_words_stay();
"""
SQLITE_UPDATE = """
CREATE TRIGGER {table}_words_stay_update BEFORE UPDATE ON {table}
BEGIN SELECT RAISE(ABORT, '{table} rows are only ever added'); END;
"""
SQLITE_DELETE = """
CREATE TRIGGER {table}_words_stay_delete BEFORE DELETE ON {table}
WHEN EXISTS (SELECT 1 FROM captions_image WHERE id = OLD.image_id AND deleted_at IS NULL)
BEGIN SELECT RAISE(ABORT, '{table} rows are only ever added'); END;
"""


def raise_the_fence(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRESQL, params=None)
        statements = [POSTGRESQL_TRIGGER]
    else:
        statements = [SQLITE_UPDATE, SQLITE_DELETE]
    for table in TABLES:
        for statement in statements:
            schema_editor.execute(statement.format(table=table), params=None)


def take_it_down(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for table in TABLES:
        if vendor == "postgresql":
            schema_editor.execute(f"DROP TRIGGER {table}_words_stay ON {table}", params=None)
        else:
            schema_editor.execute(f"DROP TRIGGER {table}_words_stay_update", params=None)
            schema_editor.execute(f"DROP TRIGGER {table}_words_stay_delete", params=None)
    if vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION captions_words_stay()", params=None)


class Migration(migrations.Migration):
    dependencies = [("captions", "0001_first")]
    operations = [migrations.RunPython(raise_the_fence, take_it_down)]
