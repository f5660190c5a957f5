"""Reads the arguments of `captiondesk`, carries the command out, and turns every failure into words and a status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from captiondesk import (
    ApiError,
    CaptionDeskError,
    Client,
    ConnectionFailed,
    NotAllowed,
    NotAuthenticated,
    ServerFailed,
    Throttled,
    __version__,
)
from captiondesk.command import account, captioning, finding, reviewing, uploading
from captiondesk.command.screen import Exit, Screen, Stop
from captiondesk.command.sent import Sent

EPILOG = """Status at the end: 0 all done; 1 something was refused or did not come in time, the rest is done; 2 the
command was wrong; 3 no token, a wrong one, or one that may not do this; 4 the desk is away or has no room, the same
command later may do; 130 interrupted. CAPTIONDESK_URL and CAPTIONDESK_TOKEN go before what `captiondesk login` kept."""
REVIEW_ACTIONS = ("approve", "edit", "reject", "undo")


def seconds(raw: str) -> float:
    """Read a number of seconds. Raises ValueError."""
    value = float(raw)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


def count(raw: str) -> int:
    """Read a whole number from 1 on. Raises ValueError."""
    value = int(raw)
    if value < 1:
        raise ValueError
    return value


def parser() -> argparse.ArgumentParser:
    """Give the reader of arguments."""
    top = argparse.ArgumentParser(prog="captiondesk", description="Caption Desk from a terminal.", epilog=EPILOG)
    top.add_argument("--version", action="version", version=f"captiondesk {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    login = commands.add_parser("login", help="keep the desk's address and a token, after trying them")
    login.add_argument("--url", help="the desk's address; asked for when it is not given")
    commands.add_parser("logout", help="forget the token here")
    me = commands.add_parser("me", help="who you are there, and your pictures by state")
    me.add_argument("--json", action="store_true", help="as JSON")

    upload = commands.add_parser("upload", help="send pictures; what is there already is not sent again")
    upload.add_argument("paths", nargs="+", type=Path, metavar="FOLDER_OR_FILE")
    upload.add_argument("--recursive", action="store_true", help="folders within folders, too")
    upload.add_argument("--album", metavar="NAME", help="put them into this album, made when there is none")
    upload.add_argument(
        "--wait", nargs="?", type=seconds, const=300.0, metavar="SECONDS", help="show their captions (300 seconds)"
    )
    upload.add_argument("--parallel", type=count, default=4, metavar="N", help="how many at once (4)")
    upload.add_argument("--again", action="store_true", help="send also what was sent before")
    upload.add_argument("--json", action="store_true", help="one line of JSON for each file")

    caption = commands.add_parser("caption", help="have pictures captioned again")
    caption.add_argument("images", nargs="*", metavar="ID")
    caption.add_argument("--query", help="those that this search finds")
    caption.add_argument("--wait", nargs="?", type=seconds, const=60.0, metavar="SECONDS", help="for each (60 seconds)")
    caption.add_argument(
        "-p",
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a generation parameter, such as num_captions=3",
    )
    caption.add_argument("--json", action="store_true", help="one line of JSON for each job")

    search = commands.add_parser("search", help="find pictures, as the search field of the pages does")
    search.add_argument("query", metavar="QUERY")
    search.add_argument("--format", choices=("table", "json", "csv"), default="table")
    search.add_argument("--json", dest="format", action="store_const", const="json", help="one line of JSON for each")
    search.add_argument("--limit", type=count, default=50, metavar="N", help="how many at most (50)")

    review = commands.add_parser("review", help="decide on drafts, one after the other or by id")
    review.add_argument("action", nargs="?", choices=REVIEW_ACTIONS)
    review.add_argument("images", nargs="*", metavar="ID")
    review.add_argument("--query", help="approve or reject all that this search finds, on the desk, as bulk jobs")
    review.add_argument("--text", help="the corrected words, for edit")
    review.add_argument("--reason", help="why, for reject")
    review.add_argument("--caption", metavar="ID", help="decide on this caption rather than the one on show")
    review.add_argument("--order", choices=("least-sure", "oldest", "album"), help="which come first")
    review.add_argument("--album", metavar="ID", help="one album's pictures only")
    review.add_argument("--json", action="store_true", help="with an action: one line of JSON for each picture")

    export = commands.add_parser("export", help="write pictures with their words into a file")
    export.add_argument("target", metavar="OUT", help="a file, or - for standard output")
    export.add_argument("--format", choices=("csv", "jsonl"), help="by the file's name when it is not given")
    export.add_argument("--query", help="those that this search finds; all when it is not given")
    return top


def carry_out(asked: argparse.Namespace, screen: Screen) -> Exit:
    """Carry one command out. Raises Stop, CaptionDeskError, ValueError, OSError."""
    if asked.command == "login":
        return account.login(screen, asked.url)
    if asked.command == "logout":
        return account.logout(screen)
    who = account.current()
    with Client(who.url, who.token) as client:
        return with_client(asked, screen, client, who)


def with_client(asked: argparse.Namespace, screen: Screen, client: Client, who: account.Account) -> Exit:
    """Carry out a command that needs the desk."""
    match asked.command:
        case "me":
            return tell_me(screen, client, as_json=asked.json)
        case "upload":
            return upload(asked, screen, client, who)
        case "caption":
            params = captioning.parameters(asked.param)
            return captioning.caption(
                client, screen, asked.images, query=asked.query, wait=asked.wait, params=params, as_json=asked.json
            )
        case "search":
            return finding.search(client, screen, asked.query, asked.format, asked.limit)
        case "export":
            return finding.export(client, screen, asked.target, asked.format, asked.query)
    if asked.action is None:
        if asked.query is not None:
            raise Stop("Say what to do with all that is found: captiondesk review approve --query QUERY")
        keyboard = reviewing.Keyboard(screen)
        return reviewing.Desk(client, screen, keyboard, who.url.rstrip("/"), asked.order, asked.album).run()
    if asked.query is not None:
        if asked.images or asked.caption or asked.text:
            raise Stop("With --query, neither ids nor --caption nor --text can be given.")
        return reviewing.decide_on_all(
            client, screen, asked.action, asked.query, reason=asked.reason, as_json=asked.json
        )
    return reviewing.decide(
        client, screen, asked.action, asked.images,
        text=asked.text, reason=asked.reason, caption=asked.caption, as_json=asked.json,
    )  # fmt: skip


def tell_me(screen: Screen, client: Client, *, as_json: bool) -> Exit:
    """Say who asks."""
    me = client.me()
    if as_json:
        screen.object(me.model_dump(mode="json"))
        return Exit.DONE
    screen.line(f"{me.username}  {', '.join(f'{number} {state}' for state, number in me.images.items() if number)}")
    screen.line(f"model: {me.service.model or 'none'}{'' if me.service.ready else ' (not ready)'}")
    return Exit.DONE


def upload(asked: argparse.Namespace, screen: Screen, client: Client, who: account.Account) -> Exit:
    """Send files."""
    files = uploading.found(asked.paths, recursive=asked.recursive, screen=screen)
    options = uploading.Options(asked.album, asked.wait, asked.parallel, asked.again, asked.json)
    sent = Sent.of(account.state_folder(), who.url.rstrip("/"), client.me().username)
    try:
        return uploading.Upload(client, sent, screen, options).run(files)
    finally:
        sent.close()


def status_of(error: CaptionDeskError) -> Exit:
    """Give the status with which a failure of the desk ends the command."""
    if isinstance(error, NotAuthenticated | NotAllowed):
        return Exit.NOT_ALLOWED
    if isinstance(error, ConnectionFailed | ServerFailed | Throttled):
        return Exit.UNREACHABLE
    return Exit.PARTLY


def words_of(error: CaptionDeskError) -> str:
    """Give a failure of the desk in words."""
    words = str(error)
    if isinstance(error, NotAuthenticated):
        words += " Run: captiondesk login"
    if isinstance(error, ServerFailed) and error.request_id:
        words += f" (request {error.request_id})"
    return words if isinstance(error, ApiError) else words.splitlines()[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; give its status."""
    screen = Screen()
    try:
        code = carry_out(parser().parse_args(arguments), screen)
        screen.out.flush()  # a reader that went away is heard of here, not when Python ends
    except Stop as stop:
        screen.note(str(stop))
        return stop.code
    except CaptionDeskError as error:
        screen.note(words_of(error))
        return status_of(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more at its end
        return Exit.PARTLY
    except (ValueError, OSError) as error:
        screen.note(str(error))
        return Exit.WRONG_USE
    except KeyboardInterrupt:
        screen.note("Stopped. Run the same command again, and it goes on.")
        return Exit.INTERRUPTED
    return code
