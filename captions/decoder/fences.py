"""The fences around the child: what stays possible for bytes that have taken over a decoding library.

Two sets. `enclose_process` is for the warmed-up process, once: no core dumps, an unprivileged user, no network
namespace, no file system, no capabilities. `enclose_picture` is for the process of one picture, forked from it:
memory, time, and a list of the few system calls that decoding needs. Linux has all of them; other systems have the
limits only, and `Report` says so.

Everything here is done through ctypes, so that no library has to be trusted or installed.
Sources: seccomp(2), landlock(7), unshare(2), capset(2), prctl(2), `linux/filter.h`, `linux/audit.h`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import pwd
import resource
import signal
import struct
import sys
from dataclasses import dataclass

Report = dict[str, str]
ON = "on"

# --- prctl(2) and unshare(2) ------------------------------------------------------------------------------------
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
LINUX_CAPABILITY_VERSION_3 = 0x20080522

# --- landlock(7): the numbers are the same on all machines --------------------------------------------------------
SYS_LANDLOCK_CREATE_RULESET = 444
SYS_LANDLOCK_RESTRICT_SELF = 446
LANDLOCK_CREATE_RULESET_VERSION = 1

# --- classic BPF -------------------------------------------------------------------------------------------------
LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
JUMP_GREATER = 0x25  # BPF_JMP | BPF_JGT | BPF_K
JUMP_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
RETURN = 0x06  # BPF_RET | BPF_K
RET_KILL_PROCESS = 0x80000000
RET_ERRNO = 0x00050000
RET_ALLOW = 0x7FFF0000
AT_NUMBER, AT_ARCH, AT_ARG0, AT_ARG2 = 0, 4, 16, 32  # offsets in struct seccomp_data, low words
EPERM, ENOSYS = 1, 38
PROT_EXEC = 4
THREAD_FLAGS = 0x00010900  # CLONE_THREAD | CLONE_SIGHAND | CLONE_VM: a thread, never a process
NAMESPACE_FLAGS = 0x7E020000  # CLONE_NEW*: never
NEWEST_KNOWN_CALL = 462  # calls after it answer "not implemented", as an older kernel would

Arg = ctypes.c_ulong


@dataclass(frozen=True)
class _Machine:
    """System call numbers of one processor architecture."""

    audit_arch: int
    seccomp: int
    clone: int
    clone3: int
    mmap: int
    mprotect: int
    harmless: dict[str, int]


_MACHINES = {
    "x86_64": _Machine(
        audit_arch=0xC000003E, seccomp=317, clone=56, clone3=435, mmap=9, mprotect=10,
        harmless={
            "read": 0, "write": 1, "close": 3, "munmap": 11, "brk": 12, "rt_sigprocmask": 14,
            "rt_sigreturn": 15, "sched_yield": 24, "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39,
            "exit": 60, "gettimeofday": 96, "sigaltstack": 131, "gettid": 186, "time": 201, "futex": 202,
            "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228, "clock_nanosleep": 230,
            "exit_group": 231, "set_robust_list": 273, "getrandom": 318, "membarrier": 324, "rseq": 334,
        },
    ),
    "aarch64": _Machine(
        audit_arch=0xC00000B7, seccomp=277, clone=220, clone3=435, mmap=222, mprotect=226,
        harmless={
            "read": 63, "write": 64, "close": 57, "munmap": 215, "brk": 214,
            "rt_sigprocmask": 135, "rt_sigreturn": 139, "sched_yield": 124, "mremap": 216, "madvise": 233,
            "nanosleep": 101, "getpid": 172, "exit": 93, "gettimeofday": 169, "sigaltstack": 132, "gettid": 178,
            "futex": 98, "sched_getaffinity": 123, "restart_syscall": 128, "clock_gettime": 113,
            "clock_nanosleep": 115, "exit_group": 94, "set_robust_list": 99, "getrandom": 278, "membarrier": 283,
            "rseq": 293,
        },
    ),
}  # fmt: skip


class FenceMissing(Exception):
    """This fence cannot be put up here; the message says why."""


# --- the warmed-up process ----------------------------------------------------------------------------------------


def enclose_process() -> Report:
    """Fence in the warmed-up process. Call once, after everything that is ever imported has been.

    :returns: a line for each fence: ``on``, or ``off: reason``.
    """
    report: Report = {}
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _first_to_be_killed()
    for name, fence in (
        ("unprivileged_user", _become_nobody),
        ("no_network_namespace", _leave_network),
        ("no_capabilities", _drop_capabilities),
        ("not_traceable", _refuse_tracing),
        ("no_new_privileges", _no_new_privileges),
        ("landlock", _leave_file_system),
    ):
        try:
            fence()
            report[name] = ON
        except FenceMissing as missing:
            report[name] = f"off: {missing}"
    return report


def _first_to_be_killed() -> None:
    # When the machine runs out of memory the kernel should take a decoder, which is replaced, and not the database.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="utf-8") as score:
        score.write("1000")


def _become_nobody() -> None:
    if os.geteuid() != 0:
        return  # started as an ordinary user already
    try:
        entry = pwd.getpwnam("nobody")
        user, group = entry.pw_uid, entry.pw_gid
    except KeyError:
        user = group = 65534
    try:
        if sys.platform == "linux":
            _leave_network_as_root()
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    except OSError as error:
        raise FenceMissing(f"cannot change user ({error.strerror})") from error


def _leave_network_as_root() -> None:
    # Some systems refuse user namespaces to ordinary users, so root leaves the network while it still is root.
    with contextlib.suppress(FenceMissing):
        _libc("unshare", CLONE_NEWNET)


def _leave_network() -> None:
    _linux_only()
    if not _has_network():
        return
    _libc("unshare", CLONE_NEWUSER | CLONE_NEWNET)


def _has_network() -> bool:
    """Whether any network device but the loopback is to be seen (a fresh namespace has none that is up)."""
    try:
        with open("/proc/self/net/dev", encoding="utf-8", errors="replace") as devices:
            lines = devices.read().splitlines()[2:]
    except OSError:
        return True
    return any(line.split(":")[0].strip() != "lo" for line in lines)


def _drop_capabilities() -> None:
    # A new user namespace hands out every capability inside it; none is needed, and kernel bugs live behind them.
    _linux_only()
    header = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0)
    _libc("capset", header, (ctypes.c_uint32 * 6)())


def _refuse_tracing() -> None:
    _linux_only()
    _libc("prctl", PR_SET_DUMPABLE, Arg(0), Arg(0), Arg(0), Arg(0))


def _no_new_privileges() -> None:
    _linux_only()
    _libc("prctl", PR_SET_NO_NEW_PRIVS, Arg(1), Arg(0), Arg(0), Arg(0))


def _leave_file_system() -> None:
    """Landlock with an empty rule set: no path can be opened any more, neither for reading nor for writing."""
    _linux_only()
    version = _libc("syscall", SYS_LANDLOCK_CREATE_RULESET, None, Arg(0), Arg(LANDLOCK_CREATE_RULESET_VERSION))
    rules = landlock_rules(version)
    ruleset = _libc("syscall", SYS_LANDLOCK_CREATE_RULESET, rules, Arg(len(rules)), Arg(0))
    try:
        _libc("syscall", SYS_LANDLOCK_RESTRICT_SELF, ruleset, Arg(0))
    finally:
        os.close(ruleset)


def landlock_rules(version: int) -> bytes:
    """`struct landlock_ruleset_attr` that denies all that the kernel's Landlock `version` (1 and up) knows of."""
    files = (1 << 13) - 1  # execute, read, write, list, remove, make
    files |= (1 << 13) * (version >= 2) | (1 << 14) * (version >= 3) | (1 << 15) * (version >= 5)
    if version < 4:
        return struct.pack("=Q", files)
    network = 0b11  # bind, connect
    return struct.pack("=QQ", files, network) if version < 6 else struct.pack("=QQQ", files, network, 0b11)


# --- the process of one picture -----------------------------------------------------------------------------------


def enclose_picture(*, memory_bytes: int, cpu_seconds: int, wall_seconds: int, system_calls: bool) -> Report:
    """Fence in the process of one picture. Its files are open already and it imports nothing any more.

    :param memory_bytes: address space, what the process already has included.
    :param cpu_seconds: processor time; one more second and the kernel kills what ignores the first signal.
    :param wall_seconds: time by the clock.
    :param system_calls: whether to put up the system call filter.
    """
    report: Report = {}
    _die_with_parent()
    signal.setitimer(signal.ITIMER_REAL, wall_seconds)  # SIGALRM's default action ends the process, in C code too
    report["memory_limit"] = _limit("RLIMIT_AS", memory_bytes, memory_bytes)
    report["cpu_limit"] = _limit("RLIMIT_CPU", cpu_seconds, cpu_seconds + 1)
    report["file_size_limit"] = _limit("RLIMIT_FSIZE", 0, 0)
    _limit("RLIMIT_NOFILE", 16, 16)
    _limit("RLIMIT_MEMLOCK", 0, 0)
    if sys.platform != "linux":  # Linux counts threads too, of all processes of this user: the filter does it better
        _limit("RLIMIT_NPROC", 0, 0)
    report["system_call_filter"] = _filter_report() if system_calls else "off: decoding does not work under it here"
    return report


def _die_with_parent() -> None:
    if sys.platform != "linux":
        return  # there the parent's loop ends its children when its own parent goes away
    parent = os.getppid()
    _libc("prctl", PR_SET_PDEATHSIG, Arg(signal.SIGKILL), Arg(0), Arg(0), Arg(0))
    if os.getppid() != parent:  # it died between the two calls: the signal would never come
        os._exit(1)


def _limit(name: str, soft: int, hard: int) -> str:
    try:
        resource.setrlimit(getattr(resource, name), (soft, hard))
    except (AttributeError, ValueError, OSError) as error:
        return f"off: {error}"
    return ON


def _filter_report() -> str:
    try:
        _filter_system_calls()
    except FenceMissing as missing:
        return f"off: {missing}"
    return ON


def _filter_system_calls() -> None:
    _linux_only()
    machine = _MACHINES.get(platform.machine())
    if machine is None or sys.maxsize < 2**32:
        raise FenceMissing(f"no list of system calls for {platform.machine()}")
    program = filter_program(machine)
    length = len(program) // 8
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", length, ctypes.addressof(code))  # struct sock_fprog
    _libc("prctl", PR_SET_SECCOMP, Arg(SECCOMP_MODE_FILTER), header, Arg(0), Arg(0))


def filter_program(machine: _Machine) -> bytes:
    """The BPF program: an allow list; anything else answers "not permitted".

    Memory may not be made executable, `clone` may only make threads, and `clone3`, whose flags a filter cannot see,
    is "not implemented", upon which the C library falls back to `clone`.
    """
    program: list[tuple[int, int, int, int]] = [
        (LOAD_WORD, 0, 0, AT_ARCH),
        (JUMP_EQUAL, 1, 0, machine.audit_arch),  # calls of another architecture have other numbers
        (RETURN, 0, 0, RET_KILL_PROCESS),
        (LOAD_WORD, 0, 0, AT_NUMBER),
        (JUMP_GREATER, 1, 0, NEWEST_KNOWN_CALL),
        (JUMP_EQUAL, 0, 1, machine.clone3),
        (RETURN, 0, 0, RET_ERRNO | ENOSYS),
    ]
    for number in sorted(machine.harmless.values()):
        program += [(JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, RET_ALLOW)]
    for number in (machine.mmap, machine.mprotect):
        program += [
            (JUMP_EQUAL, 0, 4, number),
            (LOAD_WORD, 0, 0, AT_ARG2),
            (JUMP_ANY_BIT, 0, 1, PROT_EXEC),
            (RETURN, 0, 0, RET_ERRNO | EPERM),
            (RETURN, 0, 0, RET_ALLOW),
        ]
    program += [
        (JUMP_EQUAL, 0, 5, machine.clone),
        (LOAD_WORD, 0, 0, AT_ARG0),
        (JUMP_ANY_BIT, 3, 0, NAMESPACE_FLAGS),
        (AND, 0, 0, THREAD_FLAGS),
        (JUMP_EQUAL, 0, 1, THREAD_FLAGS),
        (RETURN, 0, 0, RET_ALLOW),
        (RETURN, 0, 0, RET_ERRNO | EPERM),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _linux_only() -> None:
    if sys.platform != "linux":
        raise FenceMissing(f"{sys.platform} has no such fence")


def _libc(function: str, *arguments: object) -> int:
    """Call a function of the C library; raise `FenceMissing` with the system's words when it fails."""
    try:
        result: int = getattr(_LIBC, function)(*arguments)
    except AttributeError as error:
        raise FenceMissing(f"the C library has no {function}") from error
    if result < 0:
        raise FenceMissing(os.strerror(ctypes.get_errno()))
    return result


_LIBC = ctypes.CDLL(None, use_errno=True)
