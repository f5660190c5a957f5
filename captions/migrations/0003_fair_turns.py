"""Give every job its place in a fair order."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('captions', '0002_words_stay'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='captionjob',
            name='job_queue',
        ),
        migrations.RemoveIndex(
            model_name='captionjob',
            name='job_queue_by_owner',
        ),
        migrations.AddField(
            model_name='captionjob',
            name='turn',
            field=models.PositiveBigIntegerField(default=0, help_text='Place in the fair order of its lane; low goes first.'),
        ),
        migrations.AddIndex(
            model_name='captionjob',
            index=models.Index(condition=models.Q(('state', 'queued')), fields=['lane', 'turn', 'id'], name='job_queue'),
        ),
        migrations.AddIndex(
            model_name='captionjob',
            index=models.Index(condition=models.Q(('state', 'queued')), fields=['owner', 'lane', 'turn'], name='job_queue_by_owner'),
        ),
        migrations.AddIndex(
            model_name='captionjob',
            index=models.Index(condition=models.Q(('state', 'queued')), fields=['batch_key', 'lane', 'turn', 'id'], name='job_queue_by_key'),
        ),
    ]
