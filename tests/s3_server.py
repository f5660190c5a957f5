"""A program that serves the S3 protocol for tests: OpenStack Swift, all of its servers in one process.

python -m tests.s3_server PORT FOLDER REGION ACCESS_KEY SECRET_KEY

It checks every signature, as stores do that people run; a mock would take any. What it holds is in FOLDER alone and
is there again after the next start. It ends with the process that started it.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import pickle
import socket
import sys
import time
from pathlib import Path
from typing import Any

import eventlet
import eventlet.wsgi
from swift.account.server import AccountController
from swift.common import utils
from swift.common.http_protocol import SwiftHttpProtocol
from swift.common.ring import RingData
from swift.common.storage_policy import reload_storage_policies
from swift.common.utils.logs import NullLogger
from swift.common.wsgi import loadapp
from swift.container.server import ContainerController
from swift.obj import mem_server
from swift.obj.mem_diskfile import InMemoryFileSystem

# A shared machine may be slow, and a server that gave up on its neighbour within a second would answer 503.
PATIENT = {
    "conn_timeout": "30",
    "node_timeout": "60",
    "recoverable_node_timeout": "60",
    "container_update_timeout": "60",
    "error_suppression_limit": "1000000",
}

PROXY = """
[DEFAULT]
swift_dir = {folder}
log_custom_handlers = tests.s3_server.log_to_standard_error
log_level = WARNING
cors_allow_origin = *
cors_expose_headers = ETag

[pipeline:main]
pipeline = catch_errors gatekeeper s3api tempauth bulk slo proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
{patient}

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:gatekeeper]
use = egg:swift#gatekeeper

[filter:s3api]
use = egg:swift#s3api
location = {region}
# A browser that sends a picture straight to the store asks first whether it may.
cors_preflight_allow_origin = *

[filter:tempauth]
use = egg:swift#tempauth
{user} = {secret} .admin

[filter:bulk]
use = egg:swift#bulk

[filter:slo]
use = egg:swift#slo
"""


class KeptObjects(InMemoryFileSystem):
    """Keeps each object in a file of its own, with what is known about it.

    Swift's own way needs extended attributes, which the file system of a temporary folder may lack. Its way in memory
    gives two readers at once the same place to read from, and forgets all with the process.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder

    def path(self, name: str) -> Path:
        """Give the file of one object, whose name may be longer than a file's may be."""
        return self.folder / hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()

    def get_object(self, name: str) -> tuple[io.BytesIO | None, dict[str, Any] | None]:
        """Give an object's bytes, to be read by one reader, and what is known about it."""
        try:
            data, known = pickle.loads(self.path(name).read_bytes())
        except FileNotFoundError:
            return None, None
        return io.BytesIO(data), known

    def put_object(self, name: str, fp: io.BytesIO, metadata: dict[str, Any]) -> None:
        """Store an object at once or not at all: the process may be killed at any moment."""
        new = self.folder / "new"
        new.write_bytes(pickle.dumps((fp.getvalue(), metadata)))
        new.replace(self.path(name))

    def del_object(self, name: str) -> None:
        """Forget an object."""
        self.path(name).unlink()


class ObjectController(mem_server.ObjectController):
    """Swift's object server over the files of this program."""

    def setup(self, conf: dict[str, str]) -> None:
        """Say where objects are."""
        self._filesystem = KeptObjects(Path(conf["devices"], "objects"))
        self.fallocate_reserve = 0


def log_to_standard_error(conf: dict[str, str], name: str, console: bool, route: str, fmt: str,
                          logger: logging.Logger, adapted: object) -> None:  # fmt: skip
    """Take a logger's way to the machine's log away from it: what goes wrong belongs to the test."""
    logger.handlers = [logging.StreamHandler()]


def serve(application: Any, address: tuple[str, int]) -> tuple[int, Any]:
    """Begin to answer at an address. Gives its port, which is the machine's choice for port 0."""
    listening = eventlet.listen(address, backlog=128, reuse_port=False)
    # Else an answer in two pieces waits 40 ms for the first one's receipt; accepted connections inherit it.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    green = eventlet.spawn(
        eventlet.wsgi.server,
        listening,
        application,
        NullLogger(),
        protocol=SwiftHttpProtocol,
        capitalize_response_headers=False,  # clients look for “ETag”, not for “Etag”
    )
    return listening.getsockname()[1], green


def write_ring(folder: Path, name: str, port: int) -> None:
    """Tell the other servers that everything of one kind is at this port: one device, one copy."""
    device = {
        "id": 0, "region": 1, "zone": 1, "weight": 1.0, "device": "disk", "meta": "",
        "ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1", "replication_port": port,
    }  # fmt: skip
    RingData([[0, 0]], [device], part_shift=31).save(str(folder / f"{name}.ring.gz"))


def start(port: int, folder: Path, region: str, access_key: str, secret_key: str) -> Any:
    """Start the servers behind and, last, the one that speaks S3: who reaches it can use it."""
    (folder / "devices" / "disk").mkdir(parents=True, exist_ok=True)
    (folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = tests\n")
    utils.set_swift_dir(str(folder))
    reload_storage_policies()
    options = {
        "swift_dir": str(folder),
        "devices": str(folder / "devices"),
        "mount_check": "false",
        "fallocate_reserve": "0",
        "log_requests": "false",
        "log_custom_handlers": "tests.s3_server.log_to_standard_error",
        "log_level": "WARNING",
        **PATIENT,
    }
    for name, controller in (
        ("account", AccountController),
        ("container", ContainerController),
        ("object", ObjectController),
    ):
        write_ring(folder, name, serve(controller(options), ("127.0.0.1", 0))[0])
    proxy = folder / "proxy.conf"
    proxy.write_text(
        PROXY.format(
            folder=folder,
            region=region,
            user="user_" + access_key.replace(":", "_"),
            secret=secret_key,
            patient="\n".join(f"{name} = {value}" for name, value in PATIENT.items()),
        )
    )
    return serve(loadapp(str(proxy)), ("127.0.0.1", port))[1]


def main() -> None:
    """Serve until the process that started this one is gone."""
    parent = os.getppid()
    utils.monkey_patch()
    os.environ["TZ"] = "UTC+0"  # Swift reads the times in requests as if they were local ones
    time.tzset()
    green = start(int(sys.argv[1]), Path(sys.argv[2]).resolve(), *sys.argv[3:])
    while os.getppid() == parent and not green.dead:
        eventlet.sleep(0.5)


if __name__ == "__main__":
    main()
