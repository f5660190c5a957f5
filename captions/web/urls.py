"""Addresses of the pages."""

from django.urls import include, path

from captions.web import (
    account,
    adding,
    decisions,
    gallery,
    lab_page,
    live,
    media,
    operations_page,
    picture,
    trash_page,
)

_picture = [
    path("", picture.page, name="image"),
    path("live/", picture.live, name="image_live"),
    path("editor/", picture.editor, name="editor"),
    path("settings/", picture.settings, name="settings"),
    path("reasons/", picture.reasons, name="reasons"),
    path("thumbnail/", media.thumbnail, name="thumbnail"),
    path("medium/", media.medium, name="medium"),
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
_trial = [
    path("", lab_page.page, name="trial"),
    path("live/", lab_page.live, name="trial_live"),
    path("vote/", lab_page.vote, name="trial_vote"),
    path("reveal/", lab_page.reveal, name="trial_reveal"),
    path("apply/<uuid:arm_id>/", lab_page.apply, name="trial_apply"),
    path("take-over/", lab_page.take_over, name="trial_take_over"),
    path("discard/", lab_page.discard, name="trial_discard"),
]
urlpatterns = [
    path("", gallery.gallery, name="gallery"),
    path("cards/", gallery.cards, name="cards"),
    path("events/", live.stream, name="events"),
    path("images/", adding.add, name="add_images"),
    path("images/several/", gallery.bulk, name="bulk"),
    path("images/<uuid:image_id>/", include(_picture)),
    path("lab/", lab_page.index, name="lab"),
    path("lab/new/", lab_page.new, name="trial_new"),
    path("lab/<uuid:trial_id>/", include(_trial)),
    path("operations/", operations_page.page, name="operations"),
    path("operations/now/", operations_page.now, name="operations_now"),
    path("operations/act/", operations_page.act, name="operations_act"),
    path("trash/", trash_page.page, name="trash"),
    path("account/", account.overview, name="account"),
    path("account/tokens/", account.token_list, name="tokens"),
    path("account/tokens/<uuid:token_id>/revoke/", account.token_revoke, name="token_revoke"),
    path("preferences/", account.preferences, name="preferences"),
    path("accounts/", include("allauth.account.urls")),
]
