"""Settings of one deployment, all from the environment; every variable is optional on one machine.

A variable that cannot be read stops the start with a sentence that names it. docs/settings.md lists them all and a test
compares it with this file.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import secrets
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlsplit

import environ
import structlog
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
_environment = environ.Env()


def _refuse(name: str, must: str) -> NoReturn:
    raise ImproperlyConfigured(f"{name} {must} It is {os.environ.get(name, '')!r}. Correct it or leave it out.")


def _text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def _flag(name: str, default: bool) -> bool:
    word = _text(name, "yes" if default else "no").lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off"}:
        return False
    _refuse(name, "must be yes or no.")


def _whole(name: str, default: int, *, at_least: int, at_most: int) -> int:
    raw = _text(name, str(default))
    if not raw.isascii() or not raw.isdigit() or not at_least <= int(raw) <= at_most:
        _refuse(name, f"must be a whole number from {at_least} to {at_most}.")
    return int(raw)


def _batch(name: str, *, at_most: int) -> int:
    raw = _text(name, "auto")
    if raw == "auto":
        return 0
    if not raw.isascii() or not raw.isdigit() or not 1 <= int(raw) <= at_most:
        _refuse(name, f"must be auto, or a whole number from 1 to {at_most}.")
    return int(raw)


def _number(name: str, default: float, *, at_least: float, at_most: float) -> float:
    try:
        value = float(_text(name, str(default)))
    except ValueError:
        value = float("nan")
    if not at_least <= value <= at_most:
        _refuse(name, f"must be a number from {at_least:g} to {at_most:g}.")
    return value


def _choice(name: str, default: str, *, choices: tuple[str, ...]) -> str:
    word = _text(name, default)
    if word not in choices:
        _refuse(name, f"must be one of {', '.join(choices)}.")
    return word


def _words(name: str, default: list[str]) -> list[str]:
    return [word.strip() for word in _text(name).split(",") if word.strip()] or default


def _endpoint(name: str) -> str:
    """Read the address of a service, without a path; "" where there is none."""
    address = urlsplit(_text(name, "").rstrip("/"))
    if any(address) and (address.scheme not in {"http", "https"} or not address.hostname or address.path):
        _refuse(name, "must be an address such as https://storage.example.org, without a path.")
    return address.geturl()


def _networks(name: str, words: list[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    try:
        return [ipaddress.ip_network(word) for word in words]
    except ValueError:
        _refuse(name, "must be networks such as 10.0.0.0/8, separated by commas.")


def _ports(name: str, words: list[str]) -> set[int]:
    if not all(word.isascii() and word.isdigit() and 1 <= int(word) <= 65535 for word in words):
        _refuse(name, "must be port numbers, separated by commas.")
    return {int(word) for word in words}


# --- One data folder, movable --------------------------------------------------------------------------------------

DATA_DIR = Path(_text("DATA_DIR", str(BASE_DIR / "data"))).expanduser().absolute()
try:
    # Pictures and the database are nobody else's business; a folder that is there keeps the modes it was given.
    DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    (DATA_DIR / "incoming").mkdir(exist_ok=True)
except OSError as error:
    raise ImproperlyConfigured(
        f"DATA_DIR: the folder {DATA_DIR} cannot be made ({error.strerror}). "
        "Choose another folder or mend its permissions."
    ) from None


def _kept_secret(name: str) -> str:
    """Read a secret kept in the data folder; the first process to ask makes it."""
    path = DATA_DIR / name
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(64))
    except FileExistsError:
        pass
    except OSError as error:
        raise ImproperlyConfigured(
            f"DATA_DIR: {DATA_DIR} cannot be written ({error.strerror}). Choose another folder or mend its permissions."
        ) from None
    kept = path.read_text().strip()
    if len(kept) < 50:  # a full disk at the very first start leaves an empty file behind
        path.unlink()
        raise ImproperlyConfigured(
            f"DATA_DIR: {path} was empty and has been removed. Free some disk space and start again."
        )
    return kept


# --- Where it is reached -------------------------------------------------------------------------------------------

DEBUG = _flag("DEBUG", False)
HOST = _text("HOST", "127.0.0.1")
PORT = _whole("PORT", 8000, at_least=1, at_most=65535)
WEB_CONCURRENCY = _whole("WEB_CONCURRENCY", 1, at_least=1, at_most=64)  # uvicorn reads it by itself
PUBLIC_URL = _text("PUBLIC_URL", "").rstrip("/")
_public = urlsplit(PUBLIC_URL)
if PUBLIC_URL and (_public.scheme not in {"http", "https"} or not _public.hostname or _public.path):
    _refuse("PUBLIC_URL", "must be an address such as https://captions.example.org, without a path.")
IS_HTTPS = _public.scheme == "https"
ALLOWED_HOSTS = [
    *_words("ALLOWED_HOSTS", [_public.hostname] if _public.hostname else [HOST]),
    *("localhost", "127.0.0.1", "[::1]"),  # health checks inside a container ask by these
]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []

# --- What it asks itself (captions.outbound) -----------------------------------------------------------------------

OUTBOUND_PORTS = _ports("OUTBOUND_PORTS", _words("OUTBOUND_PORTS", ["80", "443"]))
OUTBOUND_ALLOW = _networks("OUTBOUND_ALLOW", _words("OUTBOUND_ALLOW", []))

# --- Storage of rows -----------------------------------------------------------------------------------------------

DATABASE_URL = _text("DATABASE_URL", "")
if DATABASE_URL and urlsplit(DATABASE_URL).scheme not in {"postgres", "postgresql", "sqlite"}:
    raise ImproperlyConfigured("DATABASE_URL must start with postgres:// or sqlite:///. Correct it or leave it out.")
try:
    _database: dict[str, Any] = (
        _environment.db_url_config(DATABASE_URL)
        if DATABASE_URL
        else {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DATA_DIR / "captions.sqlite3")}
    )
except (ValueError, ImproperlyConfigured):
    raise ImproperlyConfigured("DATABASE_URL cannot be read. Write postgres://user:password@host:5432/name.") from None
IS_SQLITE = "sqlite" in _database["ENGINE"]
if IS_SQLITE:
    _database["ENGINE"] = "captionsite.sqlite_in_turn"
    _database["OPTIONS"] = {
        # IMMEDIATE: a transaction that reads and then writes would else fail at once with "database is locked".
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # FULL: an accepted picture survives a power cut, not only a crash.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=20000;",
    }
else:
    _database["CONN_HEALTH_CHECKS"] = True
    _database["OPTIONS"] = {
        **_database.get("OPTIONS", {}),
        "connect_timeout": 5,
        "pool": {"min_size": 1, "max_size": _whole("DATABASE_POOL", 10, at_least=1, at_most=200), "timeout": 10},
    }
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# A default key would let anybody forge sessions. One machine makes its own; several must be told the same one.
SECRET_KEY = _text("SECRET_KEY", "")
if not SECRET_KEY:
    if not IS_SQLITE:
        raise ImproperlyConfigured("SECRET_KEY must be set when DATABASE_URL names a server. Use 50 random characters.")
    SECRET_KEY = _kept_secret("secret-key")
elif len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5:
    raise ImproperlyConfigured("SECRET_KEY must have at least 50 characters, and be random. Make a longer one.")

# --- Broker --------------------------------------------------------------------------------------------------------

REDIS_URL = _text("REDIS_URL", "redis://127.0.0.1:6379/0")
if urlsplit(REDIS_URL).scheme not in {"redis", "rediss", "unix"}:
    raise ImproperlyConfigured("REDIS_URL must start with redis://, rediss:// or unix://. Correct it or leave it out.")


def _kombu_url(url: str) -> str:
    """kombu spells a unix socket's address in its own way (https://docs.celeryq.dev, "Using Redis")."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    number = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.path}?virtual_host={number}"


CELERY_BROKER_URL = _kombu_url(REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]  # pickle would let whoever reaches the broker run code
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = True  # without it a worker can hang for ever after the broker restarts
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "scheduler")
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "captions.sweep", "schedule": 10.0, "options": {"queue": "default"}},
    "check_uploads": {"task": "captions.check_uploads", "schedule": 20.0, "options": {"queue": "default"}},
    "bulk": {"task": "captions.bulk", "schedule": 4.0, "options": {"queue": "default"}},
    "deliver": {"task": "captions.deliver", "schedule": 5.0, "options": {"queue": "default"}},
    "tidy": {"task": "captions.tidy", "schedule": 3600.0, "options": {"queue": "default"}},
    "calibrate": {"task": "captions.calibrate", "schedule": 3600.0, "options": {"queue": "default"}},
    "take_back": {"task": "captions.take_back", "schedule": 60.0, "options": {"queue": "default"}},
}

# --- Captioning ----------------------------------------------------------------------------------------------------

CAPTION_MODEL = _text("CAPTION_MODEL", "auto")
CAPTION_SERVES_DEFAULT = _flag("CAPTION_SERVES_DEFAULT", True)
CAPTION_PRECISION = _choice("CAPTION_PRECISION", "auto", choices=("auto", "fp32", "bf16", "fp16", "int8"))
CAPTION_DEVICE = _text("CAPTION_DEVICE", "auto")
CAPTION_GRAPHS = _flag("CAPTION_GRAPHS", True)
CAPTION_BATCH = _batch("CAPTION_BATCH", at_most=256)  # 0: found by measuring
CAPTION_BATCH_SECONDS = _number("CAPTION_BATCH_SECONDS", 4, at_least=0.05, at_most=600)
CAPTION_MEMORY_MB = _whole("CAPTION_MEMORY_MB", 0, at_least=0, at_most=10_000_000)
CAPTION_IDLE_SECONDS = _number("CAPTION_IDLE_SECONDS", 0, at_least=0, at_most=604_800)
CAPTION_DOWNLOAD = _flag("CAPTION_DOWNLOAD", True)
MODEL_DIR = Path(_text("MODEL_DIR", str(DATA_DIR / "models"))).expanduser().absolute()
LEASE_SECONDS = _number("LEASE_SECONDS", 60, at_least=1, at_most=3600)
JOB_RETRIES = _whole("JOB_RETRIES", 5, at_least=0, at_most=100)
POLL_SECONDS = _number("POLL_SECONDS", 5, at_least=0.1, at_most=60)
STALL_SECONDS = _number("STALL_SECONDS", 60, at_least=1, at_most=3600)
DRAIN_SECONDS = _number("DRAIN_SECONDS", 30, at_least=1, at_most=600)
DEADLINE_SECONDS = _number("DEADLINE_SECONDS", 180, at_least=1, at_most=86_400)
CRASH_PAUSE_SECONDS = _number("CRASH_PAUSE_SECONDS", 60, at_least=0, at_most=3600)
REVIEW_LEASE_SECONDS = _number("REVIEW_LEASE_SECONDS", 120, at_least=5, at_most=86_400)
QUEUE_LIMIT_PER_OWNER = _whole("QUEUE_LIMIT_PER_OWNER", 2000, at_least=1, at_most=10_000_000)

# --- Pictures ------------------------------------------------------------------------------------------------------

MAX_UPLOAD_BYTES = _whole("MAX_UPLOAD_MB", 50, at_least=1, at_most=2000) * 1024 * 1024
MAX_UPLOAD_FILES = _whole("MAX_UPLOAD_FILES", 100, at_least=1, at_most=1000)
MAX_ARCHIVE_BYTES = _whole("MAX_ARCHIVE_MB", 2000, at_least=1, at_most=100_000) * 1024 * 1024
MAX_ARCHIVE_FILES = _whole("MAX_ARCHIVE_FILES", 10_000, at_least=1, at_most=100_000)
MAX_OPEN_UPLOADS = _whole("MAX_OPEN_UPLOADS", 20_000, at_least=1, at_most=1_000_000)
UPLOAD_HOURS = _whole("UPLOAD_HOURS", 72, at_least=1, at_most=8760)
S3_UPLOAD_BUCKET = _text("S3_UPLOAD_BUCKET", "")  # captions.bucket; empty: nothing comes through a storage
S3_UPLOAD_PREFIX = _text("S3_UPLOAD_PREFIX", "uploads/")
S3_ENDPOINT_URL = _endpoint("S3_ENDPOINT_URL")
S3_PUBLIC_ENDPOINT_URL = _endpoint("S3_PUBLIC_ENDPOINT_URL")
S3_REGION = _text("S3_REGION", "us-east-1")
S3_ADDRESSING = _choice("S3_ADDRESSING", "auto", choices=("auto", "path", "virtual"))
S3_ACCESS_KEY_ID = _text("S3_ACCESS_KEY_ID", "")
S3_SECRET_ACCESS_KEY = _text("S3_SECRET_ACCESS_KEY", "")
if bool(S3_ACCESS_KEY_ID) != bool(S3_SECRET_ACCESS_KEY):
    _refuse("S3_SECRET_ACCESS_KEY", "must be set together with S3_ACCESS_KEY_ID, or neither.")
MAX_PIXELS = _whole("MAX_MEGAPIXELS", 64, at_least=1, at_most=1000) * 1_000_000
MAX_FRAMES = _whole("MAX_FRAMES", 300, at_least=1, at_most=100_000)
ACCEPT_HEIF = _flag("ACCEPT_HEIF", True)
ACCEPT_AVIF = _flag("ACCEPT_AVIF", True)
TRASH_DAYS = _whole("TRASH_DAYS", 30, at_least=0, at_most=3650)
MIN_FREE_DISK_BYTES = _whole("MIN_FREE_DISK_MB", 200, at_least=0, at_most=10_000_000) * 1024 * 1024
MEDIA_ROOT = Path(_text("MEDIA_DIR", str(DATA_DIR / "media"))).expanduser().absolute()
# There is no MEDIA_URL: every byte of a picture passes a permission check. A reverse proxy may send it by redirect.
MEDIA_ACCEL_PREFIX = _text("MEDIA_ACCEL_PREFIX", "")
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1100  # a thousand selected pictures, and the form around them
DATA_UPLOAD_MAX_NUMBER_FILES = MAX_UPLOAD_FILES
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_TEMP_DIR = str(DATA_DIR / "incoming")
STORAGES = {
    "default": {"BACKEND": "captions.storage.DurableFileStorage", "OPTIONS": {"location": str(MEDIA_ROOT)}},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- Django --------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "captions.apps.CaptionsConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "django_structlog",
]
if find_spec("worker"):  # absent from the web image; brings the commands that need a model
    INSTALLED_APPS.append("worker")
# Every entry is async-capable: a sync one would make each open event stream hold a thread.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    # Before the static files, which would else go out without their headers.
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "captions.web.privacy.keep_private",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "captions.web.factors.SecondFactorFirst",
]
ROOT_URLCONF = "captionsite.urls"
ASGI_APPLICATION = "captionsite.asgi.application"
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
                "captions.web.context.desk",
            ],
        },
    },
]
# Login limits count here: in the database, so that they hold across processes and with the broker off.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        # At Django's 300 entries anybody could push the counts of an attack out by guessing under many names.
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    },
    "throttle": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "throttle"},
}
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]  # each in its own words: so people find theirs
LOCALE_PATHS = [BASE_DIR / "captions" / "locale"]
LANGUAGE_COOKIE_NAME = "language"  # set in captions.web.account; without it the browser's Accept-Language counts
TIME_ZONE = _text("TIME_ZONE", "UTC")
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
WHITENOISE_MAX_AGE = 3600
# Brotli takes half a minute for source maps and unhashed copies that no page asks for.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = ("map", "woff2", "png", "jpg", "webp", "gif", "gz", "br", "zip")

# --- People --------------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["captions.web.accounts.DeskBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ALLOW_SIGNUP = _flag("ALLOW_SIGNUP", False)
ACCOUNT_ADAPTER = "captions.web.accounts.DeskAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_RATE_LIMITS = {"login": "60/m/ip", "login_failed": "50/h/ip,5/15m/key"}
ACCOUNT_REAUTHENTICATION_TIMEOUT = 15 * 60  # seconds after which a step that changes who gets in asks once more
REQUIRE_SECOND_FACTOR = _choice("REQUIRE_SECOND_FACTOR", "no", choices=("no", "operators", "everybody"))
MFA_ADAPTER = "captions.web.factors.DeskMFAAdapter"
MFA_FORMS = {
    "authenticate": "captions.web.factors.CodeForm",
    "reauthenticate": "captions.web.factors.CodeAgainForm",
    "activate_totp": "captions.web.factors.AppForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # addresses are not needed here, so they say nothing about whose account it is
MFA_TOTP_ISSUER = "Caption Desk"
MFA_TOTP_TOLERANCE = 1  # steps of 30 seconds: phones' clocks differ
SOCIALACCOUNT_ADAPTER = "captions.web.single_sign_on.DeskSocialAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True  # once joined, an account is known by its number over there
OIDC_ISSUER = _text("OIDC_ISSUER", "").rstrip("/")
_issuer = urlsplit(OIDC_ISSUER)
_is_near = _issuer.hostname in {"localhost", "127.0.0.1", "::1"}
if OIDC_ISSUER and (
    not _issuer.hostname or (_issuer.scheme != "https" and not (_issuer.scheme == "http" and _is_near))
):
    _refuse("OIDC_ISSUER", "must be an address with https, such as https://login.example.org/realms/desk.")
OIDC_CLIENT_ID = _text("OIDC_CLIENT_ID", "")
if OIDC_ISSUER and not OIDC_CLIENT_ID:
    _refuse("OIDC_CLIENT_ID", "must be set when OIDC_ISSUER is.")
OIDC_CLIENT_SECRET = _text("OIDC_CLIENT_SECRET", "")
OIDC_NAME = _text("OIDC_NAME", _issuer.hostname or "")
OIDC_SIGNUP = _flag("OIDC_SIGNUP", False)
OIDC_TRUST_EMAIL = _flag("OIDC_TRUST_EMAIL", False)
OIDC_GROUPS_CLAIM = _text("OIDC_GROUPS_CLAIM", "")
OIDC_REVIEWERS = _words("OIDC_REVIEWERS", ["reviewers"])
OIDC_OPERATORS = _words("OIDC_OPERATORS", ["operators"])
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
EMAIL_URL = _text("EMAIL_URL", "consolemail://")
vars().update(_environment.email_url_config(EMAIL_URL))
DEFAULT_FROM_EMAIL = _text("EMAIL_FROM", "Caption Desk <desk@localhost>")

# --- Safety of pages -----------------------------------------------------------------------------------------------

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "captions.web.failures.csrf_failure"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
PASSWORD_RESET_TIMEOUT = 3600  # seconds; a letter that lies around opens nothing the next day
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # a load balancer asks over plain HTTP, inside
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
BEHIND_PROXY = _flag("BEHIND_PROXY", False)
if BEHIND_PROXY:  # without a proxy of ours in front, a client could claim HTTPS and another address by itself
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    USE_X_FORWARDED_HOST = True
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if BEHIND_PROXY else 0
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "blob:", "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- REST ----------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "captions.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "captions.api.authentication.TokenHasScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["captions.api.json_body.Json"],
    "DEFAULT_PAGINATION_CLASS": "captions.api.pagination.Newest",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "captions.api.schema.DeskSchema",
    "DEFAULT_VERSIONING_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,  # ?format= is a filter of ours: pictures of that format
    "EXCEPTION_HANDLER": "captions.api.failures.handle",
    "DEFAULT_THROTTLE_CLASSES": ["captions.api.throttles.PerPerson", "captions.api.throttles.PerAddress"],
    "DEFAULT_THROTTLE_RATES": {
        "person": _text("THROTTLE_PERSON", "6000/min"),
        "address": _text("THROTTLE_ADDRESS", "60/min"),
    },
    "NUM_PROXIES": 1 if BEHIND_PROXY else 0,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
# Requests of one network address for albums that are shared by a link, a minute, in one web process; 0 counts none.
SHARED_LINKS_PER_MINUTE = _whole("SHARED_LINKS_PER_MINUTE", 600, at_least=0, at_most=1_000_000)
# Days for which the addresses of pictures in an export for Label Studio open without a token; 0 leaves them to tokens.
LABEL_LINK_DAYS = _whole("LABEL_LINK_DAYS", 30, at_least=0, at_most=365)
SPECTACULAR_SETTINGS = {
    "TITLE": "Caption Desk",
    "DESCRIPTION": "Pictures in, captions out, and people who vouch for them.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "captions.api.contract.share_repeated",
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "ImageState": "captions.models.Image.State",
        "JobState": "captions.models.CaptionJob.State",
        "UploadState": "captions.models.Upload.State",
        "CaptionKind": "captions.models.Caption.Kind",
        "PictureFormat": "captions.models.Image.Format",
        "ReviewDecision": "captions.models.Review.Decision",
        "DecisionAsked": "captions.api.serializers.DECISIONS",
        "FailureType": "captions.api.serializers.FAILURE_TYPES",
        "Truth": "captions.api.serializers.TRUTHS",
    },
}

# --- Logs ----------------------------------------------------------------------------------------------------------

LOG_FORMAT = _choice("LOG_FORMAT", "text", choices=("text", "json"))
LOG_LEVEL = _choice("LOG_LEVEL", "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
# A closed tab ends its event stream: everyday life, not a warning.
DJANGO_STRUCTLOG_REQUEST_CANCELLED_LOG_LEVEL = logging.INFO
_shared_processors: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso"),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.format_exc_info,
    structlog.processors.UnicodeDecoder(),
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "desk": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.JSONRenderer()
            if LOG_FORMAT == "json"
            else structlog.dev.ConsoleRenderer(colors=False),
            "foreign_pre_chain": _shared_processors,
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "desk"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django_structlog": {"level": "ERROR"},  # else every page that closes its event stream is a warning
        "django.request": {"level": "ERROR"},
        "httpx2": {"level": "WARNING"},  # it would log redirect addresses, which may be signed
        "botocore": {"level": "WARNING"},  # at DEBUG it would log the addresses that it signs
    },
}
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_shared_processors,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
