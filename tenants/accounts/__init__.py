"""How people log in, prove who they are, and are let into tenants. Passwords, second factors, passkeys and OpenID Connect are allauth's."""
