"""Addresses of the pages."""

from django.urls import include, path

from captions.web import account, adding, decisions, gallery, live, media, picture, quality_page, trash_page

_picture = [
    path("", picture.page, name="image"),
    path("live/", picture.live, name="image_live"),
    path("editor/", picture.editor, name="editor"),
    path("settings/", picture.settings, name="settings"),
    path("reasons/", picture.reasons, name="reasons"),
    path("thumbnail/", media.thumbnail, name="thumbnail"),
    path("screen/", media.screen, name="screen"),
    path("original/", media.original, name="original"),
    path("approve/", decisions.approve, name="approve"),
    path("edit/", decisions.edit, name="edit"),
    path("write/", decisions.write, name="write"),
    path("reject/", decisions.reject, name="reject"),
    path("undo/", decisions.undo, name="undo"),
    path("restore/", decisions.restore, name="restore"),
    path("again/", decisions.again, name="again"),
    path("cancel/", decisions.cancel, name="cancel"),
    path("retry/", decisions.retry, name="retry"),
    path("discard/", decisions.discard, name="discard"),
    path("recover/", decisions.recover, name="recover"),
]
urlpatterns = [
    path("", gallery.gallery, name="gallery"),
    path("cards/", gallery.cards, name="cards"),
    path("events/", live.stream, name="events"),
    path("images/", adding.add, name="add_images"),
    path("images/several/", gallery.bulk, name="bulk"),
    path("images/<uuid:image_id>/", include(_picture)),
    path("trash/", trash_page.page, name="trash"),
    path("quality/", quality_page.page, name="quality"),
    path("quality/on/", quality_page.switch_on, name="quality_on"),
    path("quality/off/", quality_page.switch_off, name="quality_off"),
    path("quality/runs/<uuid:run_id>/", quality_page.run, name="quality_run"),
    path("quality/runs/<uuid:run_id>/take-back/", quality_page.take_back, name="quality_take_back"),
    path("account/", account.overview, name="account"),
    path("account/tokens/", account.token_list, name="tokens"),
    path("account/tokens/<uuid:token_id>/revoke/", account.token_revoke, name="token_revoke"),
    path("preferences/", account.preferences, name="preferences"),
    path("accounts/", include("allauth.account.urls")),
]
