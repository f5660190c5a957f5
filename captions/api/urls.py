"""Addresses of the REST API."""

from __future__ import annotations

from django.urls import path, re_path
from django.urls.resolvers import URLPattern

from captions.api.views import (
    albums,
    bulk,
    caption_imports,
    captions,
    documents,
    exports,
    hugging_face,
    images,
    jobs,
    label_studio,
    me,
    models,
    openai,
    presigned_uploads,
    quality,
    reviews,
    searches,
    streams,
    uploads,
    webhooks,
)
from captions.api.waiting import waits_for_job

_IMAGE = "v1/images/<uuid:image_id>/"
_ALBUM = "v1/albums/<uuid:album_id>/"
_JOB = "v1/jobs/<uuid:job_id>/"
_BULK = "v1/bulk/<uuid:bulk_id>/"
_WEBHOOK = "v1/webhooks/<uuid:webhook_id>/"

urlpatterns: list[URLPattern] = [
    path("v1/me/", me.Me.as_view(), name="api-me"),
    path("v1/models/", models.Models.as_view(), name="api-models"),
    path("v1/quality/", quality.Quality.as_view(), name="api-quality"),
    path("v1/searches/", searches.Searches.as_view(), name="api-searches"),
    path("v1/searches/<uuid:search_id>/", searches.OneSearch.as_view(), name="api-search"),
    path("v1/images/", waits_for_job(images.Images.as_view()), name="api-images"),
    path(_IMAGE, images.OneImage.as_view(), name="api-image"),
    path(_IMAGE + "recover/", images.Recovery.as_view(), name="api-image-recover"),
    path(_IMAGE + "original/", images.Original.as_view(), name="api-image-original"),
    path(_IMAGE + "screen/", images.Screen.as_view(), name="api-image-screen"),
    path(_IMAGE + "medium/", images.Medium.as_view(), name="api-image-medium"),
    path(_IMAGE + "thumbnail/", images.Thumbnail.as_view(), name="api-image-thumbnail"),
    path(_IMAGE + "captions/", captions.Captions.as_view(), name="api-image-captions"),
    path(_IMAGE + "captions/<uuid:caption_id>/restore/", captions.Restoration.as_view(), name="api-caption-restore"),
    path(_IMAGE + "jobs/", waits_for_job(jobs.JobsOfImage.as_view()), name="api-image-jobs"),
    path(_IMAGE + "reviews/", reviews.Reviews.as_view(), name="api-image-reviews"),
    path(_IMAGE + "review/", reviews.Decision.as_view(), name="api-image-review"),
    path(_IMAGE + "review/undo/", reviews.TakenBack.as_view(), name="api-image-review-undo"),
    path("v1/review/next/", reviews.NextReviews.as_view(), name="api-review-next"),
    path("v1/albums/", albums.Albums.as_view(), name="api-albums"),
    path(_ALBUM, albums.OneAlbum.as_view(), name="api-album"),
    path(_ALBUM + "images/", albums.PicturesOfAlbum.as_view(), name="api-album-images"),
    path(_ALBUM + "shares/", albums.Shares.as_view(), name="api-album-shares"),
    path(_ALBUM + "shares/<uuid:share_id>/", albums.OneShare.as_view(), name="api-album-share"),
    path(_ALBUM + "links/", albums.Links.as_view(), name="api-album-links"),
    path(_ALBUM + "links/<uuid:link_id>/", albums.OneLink.as_view(), name="api-album-link"),
    path("v1/tags/", albums.Tags.as_view(), name="api-tags"),
    path("v1/tags/<uuid:tag_id>/", albums.OneTag.as_view(), name="api-tag"),
    path("v1/jobs/", jobs.Jobs.as_view(), name="api-jobs"),
    path(_JOB, jobs.OneJob.as_view(), name="api-job"),
    path(_JOB + "cancel/", jobs.Cancellation.as_view(), name="api-job-cancel"),
    path(_JOB + "retry/", jobs.Retry.as_view(), name="api-job-retry"),
    path(_JOB + "events/", streams.streams(streams.EventsOfJob.as_view()), name="api-job-events"),
    path("v1/events/", streams.streams(streams.Events.as_view()), name="api-events"),
    path("v1/bulk/", bulk.BulkJobs.as_view(), name="api-bulk-jobs"),
    path("v1/bulk/captions/", bulk.BulkCaptions.as_view(), name="api-bulk-captions"),
    path("v1/bulk/reviews/", bulk.BulkReviews.as_view(), name="api-bulk-reviews"),
    path("v1/bulk/tags/", bulk.BulkTags.as_view(), name="api-bulk-tags"),
    path("v1/bulk/deletions/", bulk.BulkDeletions.as_view(), name="api-bulk-deletions"),
    path(_BULK, bulk.OneBulkJob.as_view(), name="api-bulk-job"),
    path(_BULK + "cancel/", bulk.BulkCancellation.as_view(), name="api-bulk-cancel"),
    path("v1/webhooks/", webhooks.Webhooks.as_view(), name="api-webhooks"),
    path(_WEBHOOK, webhooks.OneWebhook.as_view(), name="api-webhook"),
    path(_WEBHOOK + "secret/", webhooks.WebhookSecret.as_view(), name="api-webhook-secret"),
    path(_WEBHOOK + "test/", webhooks.WebhookTest.as_view(), name="api-webhook-test"),
    path(_WEBHOOK + "deliveries/", webhooks.Deliveries.as_view(), name="api-webhook-deliveries"),
    path(_WEBHOOK + "deliveries/<uuid:delivery_id>/replay/", webhooks.Replay.as_view(), name="api-webhook-replay"),
    path("v1/exports/", exports.Exports.as_view(), name="api-exports"),
    path("v1/imports/captions/", caption_imports.CaptionImports.as_view(), name="api-caption-imports"),
    path("v1/uploads/", uploads.Uploads.as_view(), name="api-uploads"),
    path("v1/uploads/presigned/", presigned_uploads.PresignedUploads.as_view(), name="api-presigned-uploads"),
    path("v1/uploads/<uuid:upload_id>/", uploads.OneUpload.as_view(), name="api-upload"),
    path(
        "v1/uploads/<uuid:upload_id>/complete/",
        presigned_uploads.UploadCompletion.as_view(),
        name="api-upload-complete",
    ),
    path("schema/", documents.Schema.as_view(), name="schema"),
    path("schema", documents.Schema.as_view()),
    path("docs/", documents.Docs.as_view(), name="docs"),
    re_path(r"", documents.Unknown.as_view(), name="api-unknown"),
]

#: Other services' protocols, at the top of the site, where their clients look for them; with or without a slash.
compatible: list[URLPattern] = [
    re_path(r"^v1/chat/completions/?$", waits_for_job(openai.ChatCompletions.as_view()), name="openai-chat"),
    re_path(r"^v1/models/?$", openai.OpenAIModels.as_view(), name="openai-models"),
    re_path(r"^v1/models/(?P<model>.+?)/?$", openai.OneOpenAIModel.as_view(), name="openai-model"),
    re_path(r"^v1/", openai.OpenAIUnknown.as_view(), name="openai-unknown"),
    re_path(r"^label-studio/health/?$", label_studio.Health.as_view(), name="label-studio-health"),
    re_path(r"^label-studio/setup/?$", label_studio.Setup.as_view(), name="label-studio-setup"),
    re_path(r"^label-studio/predict/?$", waits_for_job(label_studio.Predict.as_view()), name="label-studio-predict"),
    re_path(r"^label-studio/webhook/?$", label_studio.Webhook.as_view(), name="label-studio-webhook"),
    re_path(r"^label-studio/", label_studio.LabelStudioUnknown.as_view(), name="label-studio-unknown"),
    re_path(r"^models/(?P<model>.+?)/?$", waits_for_job(hugging_face.ImageToText.as_view()), name="hugging-face"),
]
