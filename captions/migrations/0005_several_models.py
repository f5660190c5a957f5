"""Let one deployment serve several models: names of workers, an index per model."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('captions', '0004_groups'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='captionjob',
            name='job_queue_by_key',
        ),
        migrations.AddField(
            model_name='worker',
            name='names',
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name='worker',
            name='takes_any',
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name='worker',
            name='title',
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddIndex(
            model_name='captionjob',
            index=models.Index(condition=models.Q(('state', 'queued')), fields=['model', 'batch_key', 'lane', 'turn', 'id'], name='job_queue_by_key'),
        ),
        migrations.AddIndex(
            model_name='captionjob',
            index=models.Index(condition=models.Q(('state', 'queued')), fields=['model', 'lane', 'turn', 'id'], name='job_queue_by_model'),
        ),
    ]
