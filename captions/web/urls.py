"""Addresses of the pages."""

from django.urls import include, path

from captions.web import account, adding, decisions, gallery, import_pages, live, media, picture, trash_page

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
    path("imports/", import_pages.overview, name="imports"),
    path("imports/announce/", adding.announce, name="announce_files"),
    path("imports/files/<uuid:upload_id>/", adding.outcome, name="file_outcome"),
    path("imports/files/<uuid:upload_id>/again/", import_pages.again, name="file_again"),
    path("imports/<uuid:import_id>/", import_pages.page, name="import"),
    path("imports/<uuid:import_id>/live/", import_pages.live, name="import_live"),
    path("imports/<uuid:import_id>/albums/", import_pages.albums, name="import_albums"),
    path("imports/<uuid:import_id>/give-up/", import_pages.give_up, name="import_give_up"),
    path("trash/", trash_page.page, name="trash"),
    path("account/", account.overview, name="account"),
    path("account/tokens/", account.token_list, name="tokens"),
    path("account/tokens/<uuid:token_id>/revoke/", account.token_revoke, name="token_revoke"),
    path("preferences/", account.preferences, name="preferences"),
    path("accounts/", include("allauth.account.urls")),
]
