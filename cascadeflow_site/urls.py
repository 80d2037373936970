"""Every address of the site that Django serves; /v1/ and /healthz are answered before it (asgi.py)."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("api/", include("cascadeflow_site.api")),
    path("", include("dashboards.urls")),
]
