"""The settings of the organisation."""

from django.http import HttpRequest, HttpResponseBase

from dashboards.screens.settings import Settings
from dashboards.shell import membership_of
from dashboards.views.resource import ResourcePages

PAGES = ResourcePages(Settings())


def settings(request: HttpRequest) -> HttpResponseBase:
    return PAGES.edit(request, pk=membership_of(request).tenant_id)
