"""Addresses that somebody names: what the desk asks, what it never asks, and how much of an answer it takes."""

import datetime
import ipaddress
import socket
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from captions import outbound
from captions.errors import DeskError

MIB = 1024 * 1024


def refused(address: str, **more) -> str:
    """Fetch what cannot be fetched, and give the code."""
    with pytest.raises(DeskError) as caught, outbound.fetch(address, limit=MIB, seconds=5, **more):
        pass
    return caught.value.code


@pytest.fixture
def no_connections(monkeypatch):
    """Fail if anything dials: a refusal must come before the first packet."""
    dialled = []
    monkeypatch.setattr(socket, "create_connection", lambda address, *rest, **more: dialled.append(address))
    yield dialled
    assert dialled == []


# --- What it never asks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        # private, local and reserved
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.1.1", "255.255.255.255",
        "100.64.0.1", "192.0.0.8", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.9", "240.0.0.1",
        "224.0.0.1", "239.255.255.250", "192.88.99.1",
        # what clouds tell their machines
        "169.254.169.254", "100.100.100.200", "168.63.129.16", "[fd00:ec2::254]",
        # IPv6, and IPv4 inside IPv6
        "[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[fec0::1]", "[ff02::1]", "[ff0e::1]", "[2001:db8::1]", "[100::1]",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]", "[::ffff:0:7f00:1]",
        "[64:ff9b::7f00:1]", "[64:ff9b::808:808]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]", "[2002:a00:1::1]",
        "[2001:0:7f00:1::]", "[2001:20::1]", "[3fff::1]", "[5f00::1]", "[4000::1]", "[e000::1]",
        # other spellings of 127.0.0.1 and of a public address
        "2130706433", "0x7f000001", "017700000001", "0177.0.0.1", "0x7f.0.0.1", "127.1", "127.0.1", "0", "0x",
        "134744072", "0127.0.0.1", "127.0.0.1.", "127.000.000.001", "１２７.0.0.1", "127。0。0。1", "127.0.0.0x1",
        "1.2.3.256", "1.2.3.4.5",
        # names of this machine
        "localhost", "LOCALHOST", "localhost.", "ip6-localhost", "ⓛocalhost",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("no_connections")
def test_it_never_connects_to_a_private_address_however_it_is_written(host):
    assert refused(f"http://{host}/") in {"address_refused", "address_wrong", "address_unreachable"}


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("ftp://example.org/cat.jpg", "address_refused"), ("file:///etc/passwd", "address_wrong"),
        ("gopher://example.org/", "address_refused"), ("data:image/png;base64,AAAA", "address_wrong"),
        ("//example.org/cat.jpg", "address_wrong"), ("example.org/cat.jpg", "address_wrong"), ("", "address_wrong"),
        ("https://", "address_wrong"), ("http:///cat.jpg", "address_wrong"), ("https:example.org", "address_wrong"),
        ("https://user@example.org/", "address_refused"), ("https://user:word@example.org/", "address_refused"),
        ("https://example.org@127.0.0.1/", "address_refused"), ("https://:@example.org/", "address_refused"),
        ("https://example.org:22/", "address_refused"), ("https://example.org:8080/", "address_refused"),
        ("https://example.org:0/", "address_refused"), ("https://example.org:99999/", "address_refused"),
        ("https://example.org\\@127.0.0.1/", "address_wrong"), ("https://example.org\r\nHost: x/", "address_wrong"),
        ("https://example.org/a b", "address_wrong"), (" https://example.org/", "address_wrong"),
        ("https://example.org/\0", "address_wrong"), ("https://exa\u200bmple.org/", "address_wrong"),
        ("https://[fe80::1%25eth0]/", "address_refused"), ("https://[::1/", "address_wrong"),
        ("https://" + "a" * 3000 + ".org/", "address_wrong"), ("https://xn--\u00fc.org/", "address_wrong"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("no_connections")
def test_it_refuses_addresses_that_are_none_or_lead_past_the_gate(address, code):
    assert refused(address) == code


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_it_takes_public_addresses_for_public(address):
    assert outbound.is_public(ipaddress.ip_address(address))


@pytest.mark.usefixtures("no_connections")
def test_it_refuses_a_name_as_soon_as_one_of_its_addresses_is_private(monkeypatch):
    both = [ipaddress.ip_address("8.8.8.8"), ipaddress.ip_address("10.0.0.7")]
    monkeypatch.setattr(outbound, "look_up", lambda host, port: both)
    assert refused("https://both.example/") == "address_refused"


def test_it_looks_a_name_up_once_and_goes_where_the_check_was_made(server, monkeypatch):
    answers = iter([[ipaddress.ip_address("127.0.0.1")], [ipaddress.ip_address("10.0.0.7")]])
    looked_up = []

    def changing(host, port):
        looked_up.append(host)
        return next(answers)

    monkeypatch.setattr(outbound, "look_up", changing)
    with outbound.fetch(server.url("/", host="rebinding.example"), limit=MIB, seconds=5) as fetched:
        assert fetched.file.read() == b"hello"
    assert looked_up == ["rebinding.example"]
    assert server.asked[0][2]["Host"] == f"rebinding.example:{server.port}"


def test_it_dials_the_checked_address_and_never_the_name(monkeypatch):
    dialled = []

    def dial(address, *rest, **more):
        dialled.append(address)
        raise OSError

    monkeypatch.setattr(outbound, "look_up", lambda host, port: [ipaddress.ip_address("93.184.216.34")])
    monkeypatch.setattr(socket, "create_connection", dial)
    assert refused("https://rebinding.example/") == "address_unreachable"
    assert dialled == [("93.184.216.34", 443)]


def test_it_reads_no_proxy_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with outbound.fetch(server.url(), limit=MIB, seconds=5) as fetched:
        assert fetched.size == 5


def test_it_checks_an_address_for_later_without_asking_it():
    outbound.check("https://example.org/hook")
    for address in ("https://10.0.0.1/hook", "https://user@example.org/"):
        with pytest.raises(DeskError) as caught:
            outbound.check(address)
        assert caught.value.code == "address_refused"


# --- Redirects -----------------------------------------------------------------------------------------------------


def test_it_follows_no_redirect_unless_told_to(server):
    server.script["/"] = (302, {"Location": "/cat.jpg"}, [])
    assert refused(server.url()) == "address_answered"
    assert len(server.asked) == 1


def test_it_follows_redirects_up_to_the_number_allowed(server):
    for number in range(4):
        server.script[f"/{number}"] = (302, {"Location": f"/{number + 1}"}, [])
    with outbound.fetch(server.url("/1"), limit=MIB, seconds=5, redirects=3) as fetched:
        assert fetched.filename == "4"
    assert refused(server.url("/0"), redirects=3) == "address_answered"


@pytest.mark.parametrize(
    "target",
    ["http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "http://[::1]/",
     "http://u@127.0.0.1/", "//10.0.0.1/", "http://127.0.0.1:22/", "http://exa\\mple/"],
)  # fmt: skip
def test_it_checks_every_redirect_like_the_first_address(server, target):
    server.script["/"] = (302, {"Location": target}, [])
    assert refused(server.url(), redirects=3) in {"address_refused", "address_wrong"}
    assert len(server.asked) == 1


# --- How much of an answer it takes --------------------------------------------------------------------------------


def test_it_gives_the_bytes_their_name_and_their_kind(server):
    server.script["/pictures/a%20cat.jpg?size=1"] = (200, {"Content-Type": "image/JPEG; q=1"}, [b"by", b"tes"])
    with outbound.fetch(server.url("/pictures/a%20cat.jpg?size=1"), limit=5, seconds=5) as fetched:
        assert (fetched.file.read(), fetched.size, fetched.filename) == (b"bytes", 5, "a cat.jpg")
        assert fetched.content_type == "image/jpeg"


def test_it_refuses_an_answer_whose_announced_length_is_too_large(server):
    server.script["/"] = (200, {"Content-Length": str(MIB + 1)}, [])
    assert refused(server.url()) == "address_too_large"


def test_it_stops_reading_as_soon_as_an_answer_is_too_large(server):
    sent = []
    endless = (sent.append(1) or b"x" * 65536 for _ in range(100_000))
    server.script["/"] = (200, {}, endless)
    assert refused(server.url()) == "address_too_large"
    assert len(sent) < 1000  # the rest lay in the buffers of both sockets


def test_it_unpacks_nothing_so_that_no_bomb_unfolds(server):
    server.script["/"] = (200, {"Content-Encoding": "gzip"}, [b"\x1f\x8b not unpacked"])
    with outbound.fetch(server.url(), limit=MIB, seconds=5) as fetched:
        assert fetched.file.read() == b"\x1f\x8b not unpacked"


def test_it_gives_up_on_a_server_that_sends_a_byte_now_and_then(server):
    server.script["/"] = (200, {}, [b"x", 0.2] * 100)
    began = time.monotonic()
    with pytest.raises(DeskError) as caught, outbound.fetch(server.url(), limit=MIB, seconds=1):
        pass
    assert caught.value.code == "address_too_slow"
    assert time.monotonic() - began < 2


def test_it_gives_up_on_headers_that_never_end(server, settings):
    listener = socket.create_server(("127.0.0.1", 0))
    settings.OUTBOUND_PORTS = {listener.getsockname()[1]}

    def drip():
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            try:
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.1)
            except OSError:
                return

    threading.Thread(target=drip, daemon=True).start()
    began = time.monotonic()
    with pytest.raises(DeskError) as caught:
        outbound.post(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"{}", seconds=1)
    listener.close()
    assert caught.value.code == "address_too_slow"
    assert time.monotonic() - began < 2


def test_it_gives_up_on_a_name_whose_look_up_stalls(monkeypatch):
    monkeypatch.setattr(outbound, "look_up", lambda host, port: time.sleep(3))
    began = time.monotonic()
    with pytest.raises(DeskError) as caught, outbound.fetch("https://slow.example/", limit=MIB, seconds=0.5):
        pass
    assert caught.value.code == "address_too_slow"
    assert time.monotonic() - began < 2


def test_it_says_when_nobody_answers(server):
    server.server.shutdown()
    server.server.server_close()
    assert refused(server.url()) == "address_unreachable"


@pytest.mark.parametrize("status", [204, 206, 304, 401, 404, 500])
def test_it_says_when_the_file_was_not_handed_out(server, status):
    server.script["/"] = (status, {"Content-Length": "0"} if status > 304 else {}, [])
    assert refused(server.url()) == "address_answered"


# --- Posting -------------------------------------------------------------------------------------------------------


def test_it_posts_a_message_and_says_how_it_was_taken(server):
    server.script["/hook"] = (500, {}, [b"no " * 2000])
    taken = outbound.post(server.url("/hook"), b'{"a": 1}', headers={"X-Signature": "s"}, seconds=5)
    assert (taken.status, taken.head[:5], len(taken.head)) == (500, "no no", outbound.HEAD_BYTES)
    assert 0 < taken.seconds < 5
    method, _, headers, body = server.asked[0]
    assert (method, body) == ("POST", b'{"a": 1}')
    assert (headers["Content-Type"], headers["X-Signature"]) == ("application/json", "s")


def test_it_knows_how_a_message_was_taken_though_the_answer_never_ends(server):
    server.script["/hook"] = (200, {}, [b"well", 3.0])
    taken = outbound.post(server.url("/hook"), b"{}", seconds=1)
    assert (taken.status, taken.head) == (200, "well")
    assert taken.seconds < 2


def test_it_follows_no_redirect_of_a_message(server):
    server.script["/hook"] = (307, {"Location": "/elsewhere", "Content-Length": "0"}, [])
    assert outbound.post(server.url("/hook"), b"{}").status == 307
    assert len(server.asked) == 1


# --- Certificates --------------------------------------------------------------------------------------------------


@pytest.fixture
def encrypted(server, tmp_path, monkeypatch):
    """The server, speaking TLS with a certificate for named.example, which the desk's authority has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "named.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("named.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True, do_handshake_on_connect=False)
    trusting = ssl.create_default_context(cafile=str(file))
    monkeypatch.setattr(outbound, "_certificates", lambda: trusting)
    monkeypatch.setattr(outbound, "look_up", lambda host, port: [ipaddress.ip_address("127.0.0.1")])
    return server


def test_it_checks_the_certificate_against_the_name_and_not_the_address(encrypted):
    for address in (f"https://named.example:{encrypted.port}/", f"https://NAMED.example.:{encrypted.port}/"):
        with outbound.fetch(address, limit=MIB, seconds=5) as fetched:
            assert fetched.file.read() == b"hello"
    for host in ("other.example", "127.0.0.1"):
        assert refused(f"https://{host}:{encrypted.port}/") == "address_unreachable"


def test_it_trusts_no_authority_of_a_strangers_own(encrypted, monkeypatch):
    monkeypatch.setattr(outbound, "_certificates", ssl.create_default_context)
    assert refused(f"https://named.example:{encrypted.port}/") == "address_unreachable"
