"""The engine room: Celery worker, captioning engine and the bundled demo model. Nothing of the product imports it."""
