"""What happens when a decoder dies, hangs, is overrun, or its parent goes away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from captions.decoder import Decoded, DecodeRefused, DecoderUnavailable, Limits, Pool
from captions.decoder import pool as pool_module
from tests.decoder import corpus
from tests.decoder.conftest import places

ROOT = Path(__file__).parents[2]
PROBE = [sys.executable, "-s", str(Path(__file__).with_name("probe.py"))]
SMALL = corpus.saved(corpus.photograph(), "PNG")


@pytest.fixture
def own_pool() -> Iterator[Pool]:
    """A pool that this test may break."""
    pool = Pool(command=PROBE)
    pool.sandbox_report()
    yield pool
    pool.stop()


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A real picture that takes a second or two to decode."""
    picture = corpus.photograph((500, 500)).resize((7_800, 7_800))
    return corpus.saved(picture.convert("RGBA"), "PNG", compress_level=1)


def decode(pool: Pool, folder: Path, data: bytes, **limits: int) -> Decoded:
    folder.mkdir(exist_ok=True)
    source = folder / "in"
    source.write_bytes(data)
    chosen = Limits(**limits)  # type: ignore[arg-type]  # a wrong one is the test's own fault
    return pool.decode(source, **places(folder), limits=chosen)


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(DecodeRefused) as refused:
        act()
    return refused.value.code


def children(pid: int) -> set[int]:
    """Processes forked from process `pid` that still run."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.add(int(entry.parent.name))
    return found


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def until(truth: Callable[[], object], what: str) -> None:
    """Wait for something that must happen, however slow the machine is."""
    for _ in range(12_000):
        if truth():
            return
        time.sleep(0.005)
    pytest.fail(f"{what} did not happen within a minute")


def kill_pictures(pool: Pool, times: int, number: signal.Signals) -> threading.Thread:
    """Kill the next `times` processes that decode a picture, in the background, as soon as they are there."""
    server = pool.process_id()
    known = children(server)

    def hunt() -> None:
        killed: set[int] = set()
        while len(killed) < times:
            for pid in children(server) - known - killed:
                time.sleep(0.02)  # into the middle of its work
                os.kill(pid, number)
                killed.add(pid)

    thread = threading.Thread(target=hunt, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT])
def test_it_refuses_a_picture_that_kills_two_decoders(
    own_pool: Pool, tmp_path: Path, slow: bytes, number: signal.Signals
) -> None:
    hunter = kill_pictures(own_pool, 2, number)
    with pytest.raises(DecodeRefused) as refused:
        decode(own_pool, tmp_path / "a", slow)
    hunter.join(60)
    assert refused.value.code == "decoder_crashed"
    assert number.name in refused.value.detail
    assert os.listdir(tmp_path / "a") == ["in"]
    assert decode(own_pool, tmp_path / "b", SMALL).width == 60


def test_it_tries_once_more_when_a_decoder_was_killed(own_pool: Pool, tmp_path: Path, slow: bytes) -> None:
    hunter = kill_pictures(own_pool, 1, signal.SIGKILL)
    assert decode(own_pool, tmp_path, slow).width == 7_800
    hunter.join(60)
    assert not hunter.is_alive()


def test_it_starts_afresh_when_the_warm_process_was_killed(own_pool: Pool, tmp_path: Path, slow: bytes) -> None:
    first = own_pool.process_id()

    def hunt() -> None:
        until(lambda: children(first), "decoding")
        os.kill(first, signal.SIGKILL)

    hunter = threading.Thread(target=hunt)
    hunter.start()
    assert decode(own_pool, tmp_path, slow).width == 7_800
    hunter.join()
    assert own_pool.process_id() != first


def test_it_starts_afresh_when_the_warm_process_died_while_idle(own_pool: Pool, tmp_path: Path) -> None:
    for _ in range(3):
        pid = own_pool.process_id()
        os.kill(pid, signal.SIGKILL)
        assert decode(own_pool, tmp_path, SMALL).width == 60


def test_it_does_not_share_a_process_between_two_pictures(own_pool: Pool, tmp_path: Path) -> None:
    """Nothing that one picture did can be seen by the next."""
    for _ in range(2):
        with pytest.raises(DecodeRefused) as refused:
            decode(own_pool, tmp_path, b"PROBE:[hasattr(sys, 'left_behind'), setattr(sys, 'left_behind', 1)]")
        assert refused.value.detail == "[False, None]"


def test_it_stops_a_picture_that_computes_for_ever(own_pool: Pool, tmp_path: Path) -> None:
    assert refusal(lambda: decode(own_pool, tmp_path, b"PROBE:spin()", cpu_seconds=1)) == "decoder_timeout"
    assert decode(own_pool, tmp_path, SMALL).width == 60


def test_it_stops_a_picture_that_sleeps_for_ever(own_pool: Pool, tmp_path: Path) -> None:
    assert refusal(lambda: decode(own_pool, tmp_path, b"PROBE:time.sleep(600)", wall_seconds=1)) == "decoder_timeout"
    assert decode(own_pool, tmp_path, SMALL).width == 60


def test_it_stops_a_picture_that_has_stopped_its_clock(
    own_pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "GRACE_SECONDS", 0.5)
    deed = b"PROBE:[signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]), time.sleep(600)]"
    first = own_pool.process_id()
    assert refusal(lambda: decode(own_pool, tmp_path, deed, wall_seconds=1)) == "decoder_timeout"
    until(lambda: not Path(f"/proc/{first}").exists(), "the end of the old process")
    assert decode(own_pool, tmp_path, SMALL).width == 60


def test_it_lets_other_pictures_finish_when_one_has_to_be_torn_down(
    own_pool: Pool, tmp_path: Path, slow: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "GRACE_SECONDS", 0.2)
    deed = b"PROBE:[signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]), time.sleep(600)]"
    with ThreadPoolExecutor(2) as threads:
        stuck = threads.submit(decode, own_pool, tmp_path / "a", deed, wall_seconds=1)
        # Under its own limits this one has time enough; it is torn down with the other and read once more.
        honest = threads.submit(decode, own_pool, tmp_path / "b", slow, wall_seconds=60, cpu_seconds=60)
        assert refusal(stuck.result) == "decoder_timeout"
        assert honest.result().width == 7_800


def test_it_serves_eight_threads_at_once(own_pool: Pool, tmp_path: Path) -> None:
    each = corpus.one_of_each()
    jobs = [(index, name) for index, name in enumerate([*each, *each])]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda job: decode(own_pool, tmp_path / str(job[0]), each[job[1]]), jobs))
    assert [decoded.format for decoded in found] == [name.partition("-")[0] for _, name in jobs]
    assert len({decoded.screen.path for decoded in found}) == len(jobs)
    until(lambda: not children(own_pool.process_id()), "the end of every picture's process")


def test_it_decodes_no_more_at_once_than_it_has_places(tmp_path: Path) -> None:
    pool = Pool(parallel=2, command=PROBE)
    most, done = 0, threading.Event()
    server = pool.process_id()
    pool.sandbox_report()

    def watch() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, len(children(server)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(8) as threads:
        jobs = [threads.submit(decode, pool, tmp_path / str(n), b"PROBE:time.sleep(0.1)") for n in range(10)]
        assert {refusal(job.result) for job in jobs} == {"corrupt_image"}
    done.set()
    watcher.join()
    pool.stop()
    assert most == 2


def test_it_says_that_it_is_busy_and_does_not_blame_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "QUEUE_SECONDS", 0.05)
    pool = Pool(parallel=1, command=PROBE)
    pool.sandbox_report()
    with ThreadPoolExecutor(1) as threads:
        long = threads.submit(decode, pool, tmp_path / "a", b"PROBE:time.sleep(600)", wall_seconds=3)
        until(lambda: children(pool.process_id()), "decoding")
        with pytest.raises(DecoderUnavailable):
            decode(pool, tmp_path / "b", SMALL)
        assert refusal(long.result) == "decoder_timeout"
    assert decode(pool, tmp_path / "b", SMALL).width == 60
    pool.stop()


@pytest.mark.parametrize("command", [["/nonexistent/python"], ["/bin/false"], [sys.executable, "-c", "import nothing"]])
def test_it_says_when_there_is_no_decoder(tmp_path: Path, command: list[str]) -> None:
    pool = Pool(command=command)
    with pytest.raises(DecoderUnavailable):
        decode(pool, tmp_path, SMALL)
    with pytest.raises(DecoderUnavailable):
        pool.sandbox_report()


def test_it_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    pool = Pool(command=PROBE)
    thread = threading.Thread(target=decode, args=(pool, tmp_path, SMALL))
    thread.start()
    thread.join()
    first = pool.process_id()
    assert decode(pool, tmp_path, SMALL).width == 60
    assert pool.process_id() == first
    pool.stop()


def test_it_gives_a_forked_process_a_decoder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(SMALL)
    program = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        from captions import decoder
        def decode():
            decoder.decode(Path("in"), thumbnail=Path("t"), medium=Path("m"), screen=Path("s"), limits=decoder.Limits())
            return decoder.pool._POOL.process_id()
        first = decode()
        pid = os.fork()
        if pid == 0:
            os._exit(0 if decode() != first else 3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert decode() == first
        print("PIL" in sys.modules)
    """)
    told = run_program(program, tmp_path)
    assert told.stdout == "False\n", told.stderr  # and the parent never loads a picture library


def run_program(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(SMALL)
    program = textwrap.dedent("""
        from pathlib import Path
        from captions import decoder
        decoder.decode(Path("in"), thumbnail=Path("t"), medium=Path("m"), screen=Path("s"), limits=decoder.Limits())
        print(decoder.pool._POOL.process_id())
    """)
    told = run_program(program, tmp_path)
    until(lambda: not Path(f"/proc/{told.stdout.strip()}").exists(), "the decoder's end")


def test_it_dies_with_a_parent_that_is_killed_in_the_middle(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"PROBE:time.sleep(600)")
    program = textwrap.dedent(f"""
        import threading
        from pathlib import Path
        from captions.decoder import Limits, Pool
        pool = Pool(command={PROBE!r})
        pool.sandbox_report()
        print(pool.process_id(), flush=True)
        places = {{name: Path(name) for name in ("thumbnail", "medium", "screen")}}
        pool.decode(Path("in"), **places, limits=Limits(wall_seconds=500))
    """)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    server = int(parent.stdout.readline())
    until(lambda: children(server), "decoding")
    decoding = children(server)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for pid in {server, *decoding}:
        until(partial(is_gone, pid), f"the end of process {pid}")
