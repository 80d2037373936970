from django.urls import path

from dashboards.views.overview import home, overview

urlpatterns = [
    path("", home, name="home"),
    path("o/<slug:tenant_slug>/", overview, name="overview"),
]
