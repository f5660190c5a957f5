"""Where the command line keeps the desk's address and the token: one file that only its owner can read."""

from __future__ import annotations

import getpass
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from captiondesk import Client, models
from captiondesk.command.screen import Exit, Screen, Stop

_HERE = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Account:
    """A desk and a token for it."""

    url: str
    token: str


def config_folder() -> Path:
    """Give the folder for settings, as the system has it."""
    return _folder("APPDATA", "XDG_CONFIG_HOME", ".config")


def state_folder() -> Path:
    """Give the folder for what is remembered between two runs."""
    return _folder("LOCALAPPDATA", "XDG_STATE_HOME", ".local/state")


def _folder(windows: str, unix: str, beneath: str) -> Path:
    named = os.environ.get(windows if sys.platform == "win32" else unix, "")
    return (Path(named) if Path(named).is_absolute() else Path.home() / beneath) / "captiondesk"


def account_file() -> Path:
    """Give the file that `login` writes."""
    return config_folder() / "account.json"


def stored() -> Account | None:
    """Read what `login` wrote; None when there is nothing. Raises Stop when it cannot be read."""
    path = account_file()
    try:
        told: Any = json.loads(path.read_text())
        return Account(str(told["url"]), str(told["token"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Stop(f"The file {path} cannot be read ({error}). Run: captiondesk login") from None


def current() -> Account:
    """Give the account to use: CAPTIONDESK_URL and CAPTIONDESK_TOKEN go before what `login` kept. Raises Stop."""
    url, token = os.environ.get("CAPTIONDESK_URL", ""), os.environ.get("CAPTIONDESK_TOKEN", "")
    if url and token:
        return Account(url, token)
    kept = stored()
    if kept is None:
        raise Stop("You are not logged in. Run: captiondesk login", Exit.NOT_ALLOWED)
    if url and url.rstrip("/") != kept.url:  # a token must never be shown to another desk than its own
        raise Stop(f"CAPTIONDESK_URL names another desk than {kept.url}: set CAPTIONDESK_TOKEN, too.")
    return Account(kept.url, token or kept.token)


def keep(account: Account) -> Path:
    """Write the account's file so that nobody else can read it, not even for a moment. Raises OSError."""
    path = account_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".account-")  # made with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(asdict(account), file)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def login(screen: Screen, url: str | None) -> Exit:
    """Ask for address and token, try them, and keep them.

    The token is never an argument: other users of the machine see the arguments of every process.
    """
    asks = sys.stdin.isatty()
    url = url or os.environ.get("CAPTIONDESK_URL", "") or _asked(screen, "Address of the desk: ", asks=asks)
    url = url.strip().rstrip("/")
    if "://" not in url:
        raise Stop("Give the whole address, with http:// or https:// before it.")
    hidden = os.environ.get("CAPTIONDESK_TOKEN", "")
    if not hidden:
        hidden = getpass.getpass("Token (it is not shown): ") if asks else _asked(screen, "", asks=False)
    account = Account(url, hidden.strip())
    if not account.token:
        raise Stop("No token came. Make one on the desk's account page, under API tokens.")
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in _HERE:
        screen.note("Careful: this address is not encrypted, so the network can read the token.")
    me = check(account)
    path = keep(account)
    screen.note(f"Logged in to {url} as {me.username}. The token is in {path}.")
    return Exit.DONE


def check(account: Account) -> models.Me:
    """Ask the desk who the token is. Raises CaptionDeskError, ValueError."""
    with Client(account.url, account.token) as client:
        return client.me()


def _asked(screen: Screen, words: str, *, asks: bool) -> str:
    if asks:
        screen.err.write(words)
        screen.err.flush()
    return sys.stdin.readline()


def logout(screen: Screen) -> Exit:
    """Forget the token here. It stays valid until it is revoked on the desk's account page."""
    account_file().unlink(missing_ok=True)
    screen.note("The token is forgotten here. To end it, revoke it on the desk's account page.")
    return Exit.DONE
