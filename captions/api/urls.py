"""Addresses of the REST API."""

from __future__ import annotations

from django.urls import path, re_path
from django.urls.resolvers import URLPattern

from captions.api.views import captions, documents, images, jobs, me, models, quality, reviews
from captions.api.waiting import waits_for_job

_IMAGE = "v1/images/<uuid:image_id>/"
_JOB = "v1/jobs/<uuid:job_id>/"

urlpatterns: list[URLPattern] = [
    path("v1/me/", me.Me.as_view(), name="api-me"),
    path("v1/models/", models.Models.as_view(), name="api-models"),
    path("v1/quality/", quality.Quality.as_view(), name="api-quality"),
    path("v1/images/", waits_for_job(images.Images.as_view()), name="api-images"),
    path(_IMAGE, images.OneImage.as_view(), name="api-image"),
    path(_IMAGE + "recover/", images.Recovery.as_view(), name="api-image-recover"),
    path(_IMAGE + "original/", images.Original.as_view(), name="api-image-original"),
    path(_IMAGE + "screen/", images.Screen.as_view(), name="api-image-screen"),
    path(_IMAGE + "thumbnail/", images.Thumbnail.as_view(), name="api-image-thumbnail"),
    path(_IMAGE + "captions/", captions.Captions.as_view(), name="api-image-captions"),
    path(_IMAGE + "captions/<uuid:caption_id>/restore/", captions.Restoration.as_view(), name="api-caption-restore"),
    path(_IMAGE + "jobs/", waits_for_job(jobs.JobsOfImage.as_view()), name="api-image-jobs"),
    path(_IMAGE + "reviews/", reviews.Reviews.as_view(), name="api-image-reviews"),
    path(_IMAGE + "review/", reviews.Decision.as_view(), name="api-image-review"),
    path(_IMAGE + "review/undo/", reviews.TakenBack.as_view(), name="api-image-review-undo"),
    path("v1/jobs/", jobs.Jobs.as_view(), name="api-jobs"),
    path(_JOB, jobs.OneJob.as_view(), name="api-job"),
    path(_JOB + "cancel/", jobs.Cancellation.as_view(), name="api-job-cancel"),
    path(_JOB + "retry/", jobs.Retry.as_view(), name="api-job-retry"),
    path("schema/", documents.Schema.as_view(), name="schema"),
    path("schema", documents.Schema.as_view()),
    path("docs/", documents.Docs.as_view(), name="docs"),
    re_path(r"", documents.Unknown.as_view(), name="api-unknown"),
]
