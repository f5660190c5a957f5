"""Operators' and reviewers' views: the queue of drafts, jobs, and everything that is only to be read."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin

from captions.admin import queue, records

admin.site.site_header = "Caption Desk"
admin.site.site_title = "Caption Desk"
admin.site.enable_nav_sidebar = False  # the queue needs the width
admin.site.index_title = "Administration"
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # one login, with its limits

__all__ = ["queue", "records"]
