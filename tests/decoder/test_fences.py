"""What bytes that have taken over a decoding library can still do: nothing."""

from __future__ import annotations

import os
import platform
import socket
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from captions.decoder import DecodeRefused, Limits, Pool, fences
from tests.decoder import corpus
from tests.decoder.conftest import places

PROBE = [sys.executable, "-s", str(Path(__file__).with_name("probe.py"))]
Ask = Callable[[str], str]
LINUX_CALLS = {  # x86_64, aarch64
    "io_uring_setup": (425, 425),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "mount": (165, 40),
    "unshare": (272, 97),
    "bpf": (321, 280),
    "keyctl": (250, 219),
    "perf_event_open": (298, 241),
    "init_module": (175, 105),
    "open_by_handle_at": (304, 265),
    "memfd_create": (319, 279),
    "prctl": (157, 167),
    "setns": (308, 268),
    "userfaultfd": (323, 282),
    "pidfd_getfd": (438, 438),
    "execveat": (322, 281),
}


@pytest.fixture(scope="module")
def probed() -> Iterator[Pool]:
    os.environ["SECRET_KEY_OF_THE_SITE"] = "hunter2"
    pool = Pool(command=PROBE)
    yield pool
    pool.stop()


@pytest.fixture(scope="module")
def unfiltered() -> Iterator[Pool]:
    """The same without the system call filter, to see the other fences stand by themselves."""
    pool = Pool(command=[*PROBE, "without-filter"])
    yield pool
    pool.stop()


def asker(pool: Pool, folder: Path) -> Ask:
    def ask(expression: str) -> str:
        source = folder / "question"
        source.write_text(f"PROBE:{expression}")
        with pytest.raises(DecodeRefused) as refusal:
            pool.decode(source, **places(folder), limits=Limits())
        assert refusal.value.code == "corrupt_image", refusal.value
        return refusal.value.detail

    return ask


@pytest.fixture
def ask(probed: Pool, tmp_path: Path) -> Ask:
    return asker(probed, tmp_path)


@pytest.fixture
def ask_unfiltered(unfiltered: Pool, tmp_path: Path) -> Ask:
    return asker(unfiltered, tmp_path)


def test_it_reports_every_fence(pool: Pool) -> None:
    report = pool.sandbox_report()
    assert set(report) == {
        "separate_process",
        "unprivileged_user",
        "no_network_namespace",
        "no_capabilities",
        "not_traceable",
        "no_new_privileges",
        "landlock",
        "memory_limit",
        "cpu_limit",
        "file_size_limit",
        "system_call_filter",
    }
    assert all(state == "on" or state.startswith("off: ") for state in report.values())
    # What any Linux has that this product supports; the rest depends on how it was built and on the container.
    needed = {"separate_process", "memory_limit", "cpu_limit", "no_new_privileges", "system_call_filter"}
    assert {name for name in needed if report[name] != "on"} == set()


def test_it_answers_honest_questions(ask: Ask) -> None:
    """Without this, a broken probe would make every test below pass."""
    assert ask("6 * 7") == "42"
    assert ask("libc(39) if sys.platform == 'linux' and os.uname().machine == 'x86_64' else 'result'") != "error 1"


@pytest.mark.parametrize(
    "deed",
    [
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "open('/etc/passwd').read()",
        "open('/proc/self/environ').read()",
        "open('/proc/self/mem', 'rb')",
        "os.listdir('/')",
        "os.stat('/')",
        "open('/tmp/left-behind', 'w')",
        "os.mkdir('/tmp/left-behind')",
        "os.unlink('/etc/passwd')",
        "os.chdir('/')",
        "os.kill(parent, 0)",
        "os.kill(os.getppid(), 9)",
        "os.kill(1, 0)",
        "os.setuid(0)",
        "os.chmod(0, 0o777)",
        "os.pipe()",
        "os.dup(0)",
        "os.memfd_create('x')",
        "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
        "signal.setitimer(signal.ITIMER_REAL, 0)",
        "signal.signal(signal.SIGXCPU, signal.SIG_IGN)",
        "os.sched_setaffinity(0, [0])",
        "os.nice(-5)",
    ],
)
def test_it_permits_no_deed(ask: Ask, deed: str) -> None:
    assert ask(deed) in ("PermissionError 1", "PermissionError 13", "itimer_error 1")


@pytest.mark.parametrize("call", LINUX_CALLS)
def test_it_permits_no_dangerous_system_call(ask: Ask, call: str) -> None:
    number = LINUX_CALLS[call][platform.machine() == "aarch64"]
    assert ask(f"libc({number}, 0, 0, 0, 0, 0)") == "error 1"


def test_it_knows_no_system_call_of_the_future(ask: Ask) -> None:
    assert ask("libc(463)") == "error 38"
    assert ask("libc(100000)") == "error 38"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only that architecture has a second table of calls")
def test_it_permits_no_call_by_another_table(ask: Ask) -> None:
    assert ask("libc(0x40000000 + 41, 2, 1, 0)") == "error 38"  # socket, as x32 calls it


def test_it_lets_threads_be_made_but_no_processes(ask: Ask) -> None:
    clone = {"x86_64": 56, "aarch64": 220}[platform.machine()]
    assert ask(f"libc({clone}, 17, 0, 0, 0, 0)") == "error 1"  # as fork does
    assert ask(f"libc({clone}, 0x10010900, 0, 0, 0, 0)") == "error 1"  # a thread in a new user namespace
    assert ask("libc(435, 0, 0)") == "error 38"  # clone3: its flags cannot be seen, so the C library must use clone
    made = "(lambda seen: [t := threading.Thread(target=seen.append, args=(7,)), t.start(), t.join(), seen][-1])([])"
    assert ask(made) == "[7]"


def test_it_holds_no_secret(ask: Ask) -> None:
    assert os.environ["SECRET_KEY_OF_THE_SITE"] == "hunter2"
    names = set(ask("' '.join(os.environ)").split())
    assert names <= {"PATH", "LANG", "LC_CTYPE", "PYTHONPATH", "PYTHONSAFEPATH", "MALLOC_ARENA_MAX", "LD_LIBRARY_PATH"}
    assert (
        ask("[name for name in sys.modules if name.partition('.')[0] in ('django', 'captionsite', 'celery')]") == "[]"
    )


def test_it_holds_no_descriptor_but_its_own(ask_unfiltered: Ask) -> None:
    # 0, 1 and 2 are /dev/null, one more is the pipe for the answer.
    assert len(ask_unfiltered("held()").split(",")) == 4


def test_it_runs_as_nobody(ask_unfiltered: Ask) -> None:
    found = int(ask_unfiltered("os.getuid()"))
    # A user namespace without a map shows everybody as nobody too, so this holds for ordinary users as well.
    assert found == 65534 if os.geteuid() == 0 else found in (65534, os.geteuid())


def test_it_gives_memory_back_with_a_reason(probed: Pool, tmp_path: Path) -> None:
    source = tmp_path / "greedy"
    source.write_text("PROBE:bytearray(2 << 30)")
    with pytest.raises(DecodeRefused) as refusal:
        probed.decode(source, **places(tmp_path), limits=Limits())
    assert refusal.value.code == "decoder_memory"


def test_it_has_a_file_system_fence_of_its_own(unfiltered: Pool, ask_unfiltered: Ask) -> None:
    if unfiltered.sandbox_report()["landlock"] != "on":
        assert unfiltered.sandbox_report()["landlock"].startswith("off: ")
        return
    assert ask_unfiltered("os.getpid() > 0") == "True"
    for deed in (
        "open('/etc/passwd')",
        "open('/tmp/left-behind', 'w')",
        "os.listdir('/')",
        "open('/proc/self/environ')",
    ):
        assert ask_unfiltered(deed) == "PermissionError 13"
    assert ask_unfiltered("os.execv('/bin/true', ['true'])") == "PermissionError 13"


def test_it_has_a_network_fence_of_its_own(unfiltered: Pool, ask_unfiltered: Ask) -> None:
    if unfiltered.sandbox_report()["no_network_namespace"] != "on":
        assert unfiltered.sandbox_report()["no_network_namespace"].startswith("off: ")
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=5).close()  # from here it is to be reached
        found = ask_unfiltered(f"socket.socket().connect(('127.0.0.1', {port}))")
    assert found in ("OSError 101", "PermissionError 13")  # no route, or Landlock before it


def test_it_cannot_write_large_files_even_where_it_might_write(ask_unfiltered: Ask) -> None:
    assert ask_unfiltered("resource.getrlimit(resource.RLIMIT_FSIZE)") == "(0, 0)"
    assert ask_unfiltered("resource.getrlimit(resource.RLIMIT_CORE)") == "(0, 0)"


def test_it_fences_in_a_process_started_by_an_ordinary_user(tmp_path: Path) -> None:
    """Root has ways to fence itself in that others have not; most installations do not run as root."""
    if os.geteuid() != 0:
        return  # every test above has shown it
    tmp_path.chmod(0o777)
    program = textwrap.dedent("""
        import os, sys
        from captions.decoder import fences
        os.setgid(65534), os.setuid(65534)
        report = fences.enclose_process()
        report |= fences.enclose_picture(memory_bytes=1 << 30, cpu_seconds=5, wall_seconds=5, system_calls=True)
        os.write(1, repr(report).encode())
        os._exit(0)
    """)
    root = Path(__file__).parents[2]
    told = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, check=True, text=True).stdout
    assert "'no_network_namespace': 'on'" in told or "'no_network_namespace': 'off: " in told
    assert "'system_call_filter': 'on'" in told


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_it_compiles_a_filter_whose_jumps_stay_inside(machine: str) -> None:
    program = fences.filter_program(fences._MACHINES[machine])
    instructions = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    for at, (code, true, false, _) in enumerate(instructions):
        if code in (fences.JUMP_EQUAL, fences.JUMP_GREATER, fences.JUMP_ANY_BIT):
            assert at + 1 + max(true, false) < len(instructions)
    assert instructions[-1] == (fences.RETURN, 0, 0, fences.RET_ERRNO | fences.EPERM)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_it_filters_alike_on_both_architectures(machine: str) -> None:
    """The program, run by a small interpreter of its six instructions, for every number there is."""
    table = fences._MACHINES[machine]
    program = fences.filter_program(table)
    allowed = {n for n in range(600) if run_filter(program, table.audit_arch, n) == fences.RET_ALLOW}
    assert allowed == set(table.harmless.values()) | {table.mmap, table.mprotect}
    assert run_filter(program, table.audit_arch, table.clone, arg0=0x3D0F00) == fences.RET_ALLOW  # pthread_create
    assert run_filter(program, table.audit_arch, table.clone, arg0=17) == fences.RET_ERRNO | fences.EPERM
    assert run_filter(program, table.audit_arch, table.mmap, arg2=7) == fences.RET_ERRNO | fences.EPERM
    assert run_filter(program, table.audit_arch, table.clone3) == fences.RET_ERRNO | fences.ENOSYS
    assert run_filter(program, 0x40000003, 1) == fences.RET_KILL_PROCESS  # i386


def run_filter(program: bytes, arch: int, number: int, *, arg0: int = 0, arg2: int = 0) -> int:
    """What the kernel would answer (`linux/filter.h`)."""
    words = {fences.AT_NUMBER: number, fences.AT_ARCH: arch, fences.AT_ARG0: arg0, fences.AT_ARG2: arg2}
    at = held = 0
    while True:
        code, true, false, value = struct.unpack_from("=HBBI", program, at * 8)
        at += 1
        if code == fences.RETURN:
            return int(value)
        if code == fences.LOAD_WORD:
            held = words[value]
        elif code == fences.AND:
            held &= value
        else:
            taken = {
                fences.JUMP_EQUAL: held == value,
                fences.JUMP_GREATER: held > value,
                fences.JUMP_ANY_BIT: bool(held & value),
            }[code]
            at += true if taken else false


@pytest.mark.parametrize(("version", "size"), [(1, 8), (3, 8), (4, 16), (5, 16), (6, 24), (7, 24)])
def test_it_asks_each_version_of_landlock_for_what_it_knows(version: int, size: int) -> None:
    rules = fences.landlock_rules(version)
    assert len(rules) == size
    bits = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)
    assert struct.unpack_from("=Q", rules)[0] == (1 << bits) - 1


# --- answers of a child that has been taken over ------------------------------------------------------------------


def lie(facts: str = "", *blobs: bytes) -> bytes:
    return struct.pack("!I", len(facts)) + facts.encode() + b"".join(blobs)


def true_facts(blob: bytes, *, medium: bytes = b"", copies: int = 3, **changes: object) -> bytes:
    import json

    facts: dict[str, object] = {
        "format": "PNG",
        "width": 60,
        "height": 44,
        "frames": 1,
        "is_animated": False,
        "had_alpha": False,
        "orientation": 1,
        "mode": "RGB",
        "profile": "absent",
        "blurhash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
        "thumbnail_size": [60, 44],
        "medium_size": [60, 44],
        "screen_size": [60, 44],
    }
    blobs = [blob, medium or blob, blob, blob][:copies]
    return lie(json.dumps({"drawn": facts | changes, "blobs": [len(one) for one in blobs]}), *blobs)


WEBP = corpus.saved(corpus.photograph(), "WEBP")
WIDE = corpus.saved(corpus.photograph((801, 4)), "WEBP")
LIES = {
    "nothing": b"",
    "noise": b"\x00\x00\x00\x05hello",
    "too long a header": struct.pack("!I", 1 << 30) + b"{}",
    "no object": lie("[]"),
    "nested": lie("[" * 100_000),
    "unknown refusal": lie('{"refused": "you_are_hacked", "blobs": []}'),
    "refusal of another type": lie('{"refused": ["corrupt_image"], "blobs": []}'),
    "negative length": lie('{"drawn": {}, "blobs": [-1, 5]}', b"abc"),
    "length beyond the end": lie('{"drawn": {}, "blobs": [100, 5]}', b"abc"),
    "other format": true_facts(WEBP, format="EPS"),
    "script for a mode": true_facts(WEBP, mode="<script>alert(1)</script>"),
    "script for colours": true_facts(WEBP, blurhash="<script>alert(1)</script>"),
    "text for a width": true_facts(WEBP, width="60"),
    "no width": true_facts(WEBP, width=0),
    "huge width": true_facts(WEBP, width=10**9),
    "other size": true_facts(WEBP, screen_size=[61, 44]),
    "other size of the medium one": true_facts(WEBP, medium_size=[61, 44]),
    "a larger medium one than is due": true_facts(WEBP, medium=WIDE, medium_size=[801, 4]),
    "a rendition too few": true_facts(WEBP, copies=2),
    "a rendition too many": true_facts(WEBP, copies=4),
    "endless frames": true_facts(WEBP, frames=301),
    "html for a rendition": true_facts(b"<html><script>alert(1)</script></html>"),
    "png for a rendition": true_facts(corpus.saved(corpus.photograph(), "PNG")),
    "metadata in a rendition": true_facts(corpus.saved(corpus.photograph(), "WEBP", exif=corpus.exif(private=True))),
    "lossless rendition": true_facts(corpus.saved(corpus.photograph(), "WEBP", lossless=True)),
    "tail on a rendition": true_facts(WEBP + b"<script>"),
    "cut rendition": true_facts(WEBP[:-10]),
}


@pytest.mark.parametrize("name", LIES)
def test_it_believes_no_lie(probed: Pool, tmp_path: Path, name: str) -> None:
    source = tmp_path / "liar"
    source.write_bytes(b"ANSWER:" + LIES[name])
    with pytest.raises(DecodeRefused) as refusal:
        probed.decode(source, **places(tmp_path), limits=Limits())
    assert refusal.value.code == "decoder_crashed"
    assert os.listdir(tmp_path) == ["liar"]


def test_it_believes_the_truth(probed: Pool, tmp_path: Path) -> None:
    source = tmp_path / "honest"
    source.write_bytes(b"ANSWER:" + true_facts(WEBP))
    decoded = probed.decode(source, **places(tmp_path), limits=Limits())
    assert {one.path.read_bytes() for one in (decoded.thumbnail, decoded.medium, decoded.screen)} == {WEBP}
