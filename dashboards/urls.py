from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from dashboards.views.overview import home, overview

urlpatterns = [
    path("", home, name="home"),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("o/<slug:tenant_slug>/", overview, name="overview"),
]
