"""Every address of the site that Django serves; /v1/, /healthz and /metrics are answered before it (asgi.py)."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

handler404, handler500 = "dashboards.views.shell.not_found", "dashboards.views.shell.failed"
urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("api/", include("cascadeflow_site.api")),
    path("favicon.ico", RedirectView.as_view(url="/static/cf/icon.svg", permanent=True)),
    path("", include("tenants.accounts.urls")),
    path("", include("dashboards.urls")),
]
