"""Asking addresses that somebody named: the one gate through which the desk makes requests of its own.

Whoever names an address must not reach through this machine what they cannot reach themselves: the router's page, the
database beside us, a cloud's metadata service. So the name is looked up once, every address it has is checked, and the
connection goes to a checked address itself; a name that answers differently the next time (DNS rebinding) gains
nothing. Nothing here reads proxy settings from the environment: a proxy would look the name up again.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import queue
import re
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Final, cast
from urllib.parse import unquote

import httpcore2
import httpx2
import structlog
from django.conf import settings

from captions.errors import DeskError

log = structlog.get_logger(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SCHEMES: Final = {"http": 80, "https": 443}
LONGEST_ADDRESS: Final = 2048
#: Beyond this a picture that arrives goes to disk.
MEMORY_BYTES: Final = 1024 * 1024
#: How much of an answer to a posted message is kept for whoever looks into a failure.
HEAD_BYTES: Final = 1024
#: Seconds for one connection attempt, and without a byte.
CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 10.0
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
#: `is_global` of Python 3.11 lets these through: relays and translators that lead to any IPv4 address, reserved blocks,
#: and the addresses by which clouds tell a machine its secrets.
DENIED: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10", "168.63.129.16/32", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/3",
        "64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "fec0::/10",
    )
)  # fmt: skip
#: All public IPv6 addresses that there are; what is_global calls global beyond it is not handed out yet.
_PUBLIC_V6: Final = ipaddress.ip_network("2000::/3")
#: Where browsers take a host for an IPv4 address: its last part is a number, in any of C's spellings.
_NUMBER: Final = re.compile(r"(?:\d+|0[xX][0-9a-fA-F]*)\Z", re.ASCII)
_SAFE_NAME: Final = re.compile(r"[^\w .()+,@-]+")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address answered: `file` stands at its beginning and closes with the object that fetched it."""

    file: IO[bytes]
    size: int  # bytes
    filename: str  # the last part of the address that answered; may be empty
    content_type: str  # as the other side calls it, without parameters; nobody must believe it


@dataclass(frozen=True, slots=True)
class Posted:
    """How an address took a message."""

    status: int
    head: str  # the first HEAD_BYTES of its answer
    seconds: float


@contextlib.contextmanager
def fetch(address: str, *, limit: int, seconds: float, redirects: int = 0) -> Iterator[Fetched]:
    """Fetch what lies at `address`, at most `limit` bytes in at most `seconds` in all.

    Each of at most `redirects` redirects passes the gate like the first address. Raises DeskError `address_wrong`,
    `address_refused`, `address_unreachable`, `address_too_slow`, `address_too_large`, `address_answered`.
    """
    url, clock = _permitted(address), _Clock(seconds)
    with tempfile.SpooledTemporaryFile(MEMORY_BYTES, dir=_folder()) as file:
        with _client(clock) as client, _own_words():
            for left in range(redirects, -1, -1):
                with client.stream("GET", url) as response:
                    if left and response.status_code in REDIRECTS and "location" in response.headers:
                        url = _permitted(_joined(url, response.headers["location"]))
                        continue
                    _require_success(response)
                    size = _spool(response, file, limit)
                break
        file.seek(0)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        yield Fetched(cast(IO[bytes], file), size, _name(url), kind)


def post(address: str, body: bytes, *, headers: Mapping[str, str] | None = None, seconds: float = 10.0) -> Posted:
    """Post JSON `body` to `address` and say how it was taken, whatever the status; redirects are not followed.

    Raises DeskError `address_wrong`, `address_refused`, `address_unreachable`, `address_too_slow`.
    """
    url, clock = _permitted(address), _Clock(seconds)
    sent = {"Content-Type": "application/json", **(headers or {})}
    with _client(clock) as client, _own_words(), client.stream("POST", url, content=body, headers=sent) as response:
        return Posted(response.status_code, _head(response), clock.spent)


def check(address: str) -> None:
    """Say at once whether an address may be asked, as far as its words tell; nothing is looked up.

    For forms that keep an address for later. Raises DeskError `address_wrong`, `address_refused`.
    """
    url = _permitted(address)
    with contextlib.suppress(ValueError):
        _require_reachable([ipaddress.ip_address(url.host)])


# --- What may be asked ---------------------------------------------------------------------------------------------


def _permitted(address: str) -> httpx2.URL:
    """Read an address. Raises DeskError `address_wrong`, `address_refused`."""
    # Programs disagree about what a backslash means in an address; this one must mean to all what it means here.
    if not 0 < len(address) <= LONGEST_ADDRESS or "\\" in address or not address.isprintable() or " " in address:
        raise DeskError("address_wrong")
    try:
        url = httpx2.URL(address)
    except (httpx2.InvalidURL, ValueError):
        raise DeskError("address_wrong") from None
    host = url.raw_host.decode("ascii").rstrip(".")
    if not url.is_absolute_url or not host:
        raise DeskError("address_wrong")
    port = SCHEMES.get(url.scheme) if url.port is None else url.port
    if url.scheme not in SCHEMES or url.userinfo or port not in settings.OUTBOUND_PORTS or _is_odd(host):
        raise DeskError("address_refused")
    # A dot at the end is a valid spelling of the name, but no certificate knows it.
    return url.copy_with(host=host, fragment=None)


def _is_odd(host: str) -> bool:
    """Whether it is a spelling of an address that no honest caller uses: 2130706433, 0x7f.1, 127.1, fe80::1%eth0."""
    if "%" in host:
        return True
    if not _NUMBER.match(host.rpartition(".")[2]):
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return True
    return False


def is_public(address: Address) -> bool:
    """Whether everybody on the internet can ask it, so that asking it from here gives nobody more than they had."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _PUBLIC_V6:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in DENIED)


def _is_allowed(address: Address) -> bool:
    """Whether this desk's operator lets this private address be asked."""
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in network for network in settings.OUTBOUND_ALLOW)


def _require_reachable(addresses: Iterable[Address]) -> None:
    """Refuse a name as soon as one of its addresses is private. Raises DeskError `address_refused`."""
    private = [str(address) for address in addresses if not is_public(address) and not _is_allowed(address)]
    if private:
        # The name itself may be a secret of whoever wrote it down; its addresses are what an operator needs to see.
        log.warning("address_refused", private=private)
        raise DeskError("address_refused")


# --- Connections that go to a checked address, and end in time -----------------------------------------------------


class _Clock:
    """The time that is left for all of a request: a server that sends a byte a second would else hold us for days."""

    def __init__(self, seconds: float) -> None:
        self._began = time.monotonic()
        self._seconds = seconds

    @property
    def spent(self) -> float:
        return time.monotonic() - self._began

    def left(self, at_most: float | None) -> float:
        """Give the seconds that the next step may take. Raises DeskError `address_too_slow` when none are left."""
        left = self._seconds - self.spent
        if left <= 0:
            raise DeskError("address_too_slow")
        return left if at_most is None else min(left, at_most)


def look_up(host: str, port: int) -> list[Address]:
    """Give the addresses of a name, in the order in which they are to be tried. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0])) for entry in found))


def _addresses(host: str, port: int, clock: _Clock) -> list[Address]:
    """Look a name up within the time that is left: getaddrinfo itself knows no limit, and a name's owner can stall it.

    Raises DeskError `address_unreachable`, `address_too_slow`.
    """
    answers: queue.SimpleQueue[list[Address]] = queue.SimpleQueue()

    def ask() -> None:
        found: list[Address] = []
        with contextlib.suppress(OSError, ValueError):  # ValueError: a name of impossible length, or an odd scope
            found = look_up(host, port)
        answers.put(found)

    threading.Thread(target=ask, name="outbound-lookup", daemon=True).start()
    try:
        found = answers.get(timeout=clock.left(None))
    except queue.Empty:
        raise DeskError("address_too_slow") from None
    if not found:
        raise DeskError("address_unreachable")
    return found


class _Stream(httpcore2.NetworkStream):
    """A socket of which no call lasts longer than the whole request may."""

    def __init__(self, sock: socket.socket, clock: _Clock) -> None:
        self._socket, self._clock = sock, clock

    def _arm(self, timeout: float | None) -> None:
        self._socket.settimeout(self._clock.left(timeout))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._arm(timeout)
        try:
            return self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore2.ReadTimeout from error
        except OSError as error:
            raise httpcore2.ReadError from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        while rest:
            self._arm(timeout)
            try:
                rest = rest[self._socket.send(rest) :]
            except TimeoutError as error:
                raise httpcore2.WriteTimeout from error
            except OSError as error:
                raise httpcore2.WriteError from error

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """Encrypt. The certificate is checked against the name that was asked for, not the address dialled."""
        self._arm(timeout)
        try:
            self._socket = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except TimeoutError as error:
            self.close()
            raise httpcore2.ConnectTimeout from error
        except (OSError, ValueError) as error:
            self.close()
            raise httpcore2.ConnectError from error
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # asked before a connection is used again; ours serve one request each
            return True
        return self._socket if info == "socket" else None


class _Gate(httpcore2.NetworkBackend):
    """Connects to names: one look-up, every address checked, and the first that answers is the one that was checked."""

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Raises DeskError `address_refused`, `address_unreachable`, `address_too_slow`."""
        addresses = _addresses(host, port, self._clock)
        _require_reachable(addresses)
        for address in addresses:
            with contextlib.suppress(OSError):
                return _Stream(socket.create_connection((str(address), port), self._clock.left(timeout)), self._clock)
        self._clock.left(None)
        raise DeskError("address_unreachable")


class _Transport(httpx2.HTTPTransport):
    """httpx2's own, with connections through the gate."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__(verify=_certificates(), trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=_certificates(), max_keepalive_connections=0, network_backend=_Gate(clock)
        )


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Read the certificates once a process. SSL_CERT_FILE counts: an intranet's own authority is named there."""
    return httpx2.create_ssl_context()


def _client(clock: _Clock) -> httpx2.Client:
    # Nothing compressed: a few bytes could unfold into more than any limit.
    return httpx2.Client(
        transport=_Transport(clock),
        timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "caption-desk", "Accept": "*/*", "Accept-Encoding": "identity"},
    )


@contextlib.contextmanager
def _own_words() -> Iterator[None]:
    """Raise the library's failures as ours."""
    try:
        yield
    except httpx2.TimeoutException:
        raise DeskError("address_too_slow") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError):
        raise DeskError("address_unreachable") from None


# --- What comes back -----------------------------------------------------------------------------------------------


def _joined(url: httpx2.URL, location: str) -> str:
    try:
        return str(url.join(location))
    except (httpx2.InvalidURL, ValueError):
        raise DeskError("address_wrong") from None


def _require_success(response: httpx2.Response) -> None:
    if response.status_code != httpx2.codes.OK:
        raise DeskError("address_answered")


def _spool(response: httpx2.Response, file: Any, limit: int) -> int:
    """Write the answer to `file`, and give its bytes. Raises DeskError `address_too_large` as soon as that is known."""
    announced = response.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced) > limit:
        raise DeskError("address_too_large")
    size = 0
    for piece in response.iter_raw():
        size += len(piece)
        if size > limit:
            raise DeskError("address_too_large")
        file.write(piece)
    return size


def _head(response: httpx2.Response) -> str:
    """Give how the answer begins. It may end early or late: how the message was taken is known by then."""
    head = b""
    with contextlib.suppress(httpx2.HTTPError, DeskError):
        for piece in response.iter_raw():
            head += piece
            if len(head) >= HEAD_BYTES:
                break
    return head[:HEAD_BYTES].decode("utf-8", "replace")


def _name(url: httpx2.URL) -> str:
    return _SAFE_NAME.sub("_", unquote(url.path.rpartition("/")[2]))[:200].strip()


def _folder() -> str:
    return str(settings.FILE_UPLOAD_TEMP_DIR)
