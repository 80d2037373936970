"""Addresses of logging in and of people's own pages. Sign-up stays closed; allauth's pages for changing an address are left out."""

from allauth.account import views as account
from allauth.urls import build_provider_urlpatterns
from django.urls import URLPattern, URLResolver, include, path, re_path

from tenants.accounts import member_views, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("login/", account.login, name="login"),
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="logout"),
    path("logout/", account.logout, name="account_logout"),
    path("account/signup/", account.signup, name="account_signup"),
    path("account/inactive/", account.account_inactive, name="account_inactive"),
    path("account/again/", account.reauthenticate, name="account_reauthenticate"),
    path("account/again/code/", account.request_reauthentication_code, name="account_request_reauthentication_code"),
    path("account/again/code/confirm/", account.confirm_reauthentication_code, name="account_confirm_reauthentication_code"),
    path("account/password/change/", account.password_change, name="account_change_password"),
    path("account/password/set/", account.password_set, name="account_set_password"),
    path("account/password/reset/", account.password_reset, name="account_reset_password"),
    path("account/password/reset/done/", account.password_reset_done, name="account_reset_password_done"),
    re_path(r"^account/password/reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$", account.password_reset_from_key,
            name="account_reset_password_from_key"),
    path("account/password/reset/key/done/", account.password_reset_from_key_done, name="account_reset_password_from_key_done"),
    path("account/second-factor/", include("allauth.mfa.urls")),
    path("account/connections/", include("allauth.socialaccount.urls")),
    path("account/sessions/", views.sessions, name="usersessions_list"),
    path("account/sessions/others/end/", views.end_other_sessions, name="end_other_sessions"),
    path("account/sessions/<int:session_id>/end/", views.end_session, name="end_session"),
    path("invitations/<str:token>/", views.invitation, name="invitation"),
    path("staff/enter/<slug:slug>/", member_views.enter, name="enter"),
    path("o/<slug:tenant_slug>/leave/", member_views.leave, name="leave"),
    path("o/<slug:tenant_slug>/members/", member_views.members, name="members"),
    path("o/<slug:tenant_slug>/members/invite/", member_views.send_invitation, name="invite"),
    path("o/<slug:tenant_slug>/members/second-factor/", member_views.require_second_factor, name="require_second_factor"),
    path("o/<slug:tenant_slug>/members/<uuid:member_id>/role/", member_views.change_member, name="change_member"),
    path("o/<slug:tenant_slug>/members/<uuid:member_id>/remove/", member_views.remove, name="remove_member"),
    path("o/<slug:tenant_slug>/invitations/<uuid:invitation_id>/withdraw/", member_views.withdraw_invitation, name="withdraw_invitation"),
    *build_provider_urlpatterns(),
]
