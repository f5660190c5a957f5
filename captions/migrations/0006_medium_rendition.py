"""Note the size of a third rendition; 0 for every image that was added before there was one."""

from django.db import migrations, models


class AddColumn(migrations.AddField):
    """Add a column to a table in place.

    On SQLite, Django makes the table anew under another name, which fails: the triggers on captions and reviews (0002)
    name this table, and while it is away no statement that touches them runs.
    """

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        field = model._meta.get_field(self.name)
        table, column = map(schema_editor.quote_name, (model._meta.db_table, field.column))
        schema_editor.execute(
            f"ALTER TABLE {table} ADD COLUMN {column} integer unsigned NOT NULL DEFAULT 0 CHECK ({column} >= 0)"
        )


class Migration(migrations.Migration):

    dependencies = [
        ('captions', '0005_several_models'),
    ]

    operations = [
        AddColumn(
            model_name='image',
            name='medium_width',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='0: added before there was one.'),
        ),
        AddColumn(
            model_name='image',
            name='medium_height',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    ]
