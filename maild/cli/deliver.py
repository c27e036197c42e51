"""This is where maild takes one message from a pipe: Postfix's pipe(8), .forward, procmail.

It hands the bytes to the running daemon, or else writes them into ``state_dir/incoming/``, and exits 0 only when they
are durable. It exits 0, 67 (no such address) or 75 (try again later) and nothing else, whatever is wrong: Postfix takes
every other status as final and bounces the mail. It reads no configuration but `state_dir`, so that a fault there loses
nothing, and imports next to nothing, since it starts for each message.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maild import clock
from maild.plain import control, incoming
from maild.plain.layers import layers, site

DONE, NO_SUCH_ADDRESS, TRY_AGAIN = 0, 67, 75  # sysexits.h: EX_NOUSER, EX_TEMPFAIL
HAND_OVER_WITHIN = 60.0  # seconds
USAGE = """\
Usage: maild [--config DIR] deliver --to ADDRESS [--from ADDRESS] [FILE]

Takes one message from FILE or standard input, as Postfix's pipe, .forward and procmail call it.

  --to ADDRESS    a recipient; may be repeated; otherwise $ORIGINAL_RECIPIENT
  --from ADDRESS  the envelope sender, '' for the empty one; otherwise $SENDER or the line "From " of the message
  --config DIR    where maild.yaml is; otherwise $MAILD_CONFIG, /etc/maild, ./config

Exits 0 when the message is stored, 67 when none of the addresses is known, 75 when it is to be tried again later.
"""
_WITH_VALUE = ("--to", "--from", "--config", "--as")


class Failed(Exception):
    """This message cannot be taken now; ``str(error)`` says what to do."""


def main(argv: Sequence[str]) -> int:
    """Take one message. ``argv`` are the arguments without the program's name; returns 0, 67 or 75, never raises."""
    try:
        return _deliver(argv)
    except Failed as error:
        _say(str(error))
    except KeyboardInterrupt:
        _say("interrupted; nothing was stored")
    except Exception as error:
        # whatever it is, the message must stay in the queue of whoever called us
        _say(f"a fault of our own, please report it: {type(error).__name__}: {error}")
    return TRY_AGAIN


def _deliver(argv: Sequence[str]) -> int:
    recipients, sender, config, file = _arguments(argv)
    if "help" in file:
        sys.stdout.write(USAGE)
        return DONE
    recipients = [_bare(one) for one in recipients or [os.environ.get("ORIGINAL_RECIPIENT", "")] if _bare(one)]
    if not recipients:
        raise Failed("say for whom the message is: --to ADDRESS")
    raw = _read_message(file)
    raw, written_sender = _without_from_line(raw)
    if sender is None:
        sender = os.environ.get("SENDER", written_sender)
    state_dir = _state_dir(config)
    _become_owner(state_dir)
    known = _known_addresses(state_dir)
    strangers = [address for address in recipients if known is not None and address.lower() not in known]
    if len(strangers) == len(recipients):
        _say(f"no mailbox has the address {', '.join(strangers)}")
        return NO_SUCH_ADDRESS
    if strangers:
        _say(f"no mailbox has the address {', '.join(strangers)}; stored for the others")
    header = {
        "from": None if sender is None else _sender(sender),
        "to": recipients,
        "received_at": clock.now().isoformat(),
    }
    code = _hand_over(state_dir, header, raw)
    if code is None:
        try:
            incoming.write(state_dir / incoming.FOLDER, header, raw)
        except OSError as error:
            raise Failed(f"the message cannot be written: {error}; check state_dir and who may write there") from error
        return DONE
    return code


def _arguments(argv: Sequence[str]) -> tuple[list[str], str | None, str | None, dict[str, str]]:
    """Recipients, sender, configuration folder, and the file under its key; ``help`` where that was asked for."""
    words = list(argv)
    recipients: list[str] = []
    sender: str | None = None
    config: str | None = None
    rest: dict[str, str] = {}
    seen_command = only_files = False
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if only_files or not word.startswith("-") or word == "-":
            if word == "deliver" and not seen_command and not rest and not only_files:
                seen_command = True
            elif "file" in rest:
                raise Failed(f"one message at a time: {word!r} is too much")
            else:
                rest["file"] = word
        elif word == "--":
            only_files = True
        elif word in {"--help", "-h"}:
            rest["help"] = word
        elif name in _WITH_VALUE:
            if not equals:
                if not words:
                    raise Failed(f"{name} needs a value")
                value = words.pop(0)
            if name == "--to":
                recipients.append(value)
            elif name == "--from":
                sender = value
            elif name == "--config":
                config = value
        else:
            raise Failed(f"{word!r} is not known; see maild deliver --help")
    return recipients, sender, config, rest


def _bare(address: str) -> str:
    """The address without blanks, brackets and a source route."""
    address = address.strip().removeprefix("<").removesuffix(">")
    return address.rpartition(":")[2] if address.startswith("@") else address


def _sender(address: str) -> str:
    """The envelope sender; Postfix writes the empty one as MAILER-DAEMON (pipe(8), null_sender)."""
    address = _bare(address)
    return "" if address.upper() == "MAILER-DAEMON" else address


def _read_message(rest: dict[str, str]) -> bytes:
    name = rest.get("file", "-")
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Failed(f"the message cannot be read: {error}") from error
    if not raw:
        raise Failed("the message is empty; pipe it in, or name its file")
    return raw


def _without_from_line(raw: bytes) -> tuple[bytes, str | None]:
    """The message without the mbox line `From ADDRESS DATE` that local delivery puts before it, and that address."""
    if not raw.startswith(b"From "):
        return raw, None
    line, _, rest = raw.partition(b"\n")
    words = line.split()
    return rest, words[1].decode("utf-8", "replace") if len(words) > 1 else None


def _state_dir(config: str | None) -> Path:
    return state_dir_of(_config_folder(config))


def state_dir_of(folder: Path) -> Path:
    """Where the daemon keeps its state, found without the whole of the configuration (as settings.load finds it).

    Raises Failed where it cannot be found.
    """
    files = [path for one in layers(folder) if (path := one / "maild.yaml").exists()] or [site(folder) / "maild.yaml"]
    folder, named = site(folder), None
    for file in files:
        try:
            text = file.read_text(encoding="utf-8-sig", errors="replace")
        except OSError as error:
            raise Failed(f"{file} cannot be read: {error.strerror}; name its folder by --config DIR") from error
        named = _named_state_dir(text) or named
    if named is not None:
        return Path(os.path.normpath(folder.absolute() / Path(named).expanduser()))
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(given) if given else folder.absolute() / "var"


def _config_folder(config: str | None) -> Path:
    given = config or os.environ.get("MAILD_CONFIG")
    if given:
        return Path(given)
    return Path("/etc/maild") if Path("/etc/maild/maild.yaml").exists() else Path("config")


def _named_state_dir(text: str) -> str | None:
    """The value of `state_dir` in maild.yaml, or None without one.

    It is looked for as a line of its own, so that faults elsewhere in the file do not matter; only where it is written
    in another way, YAML has to be read.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in lines:
        if line.startswith("state_dir:") and line[10:11] in {" ", "\t"}:
            value = line[10:].split(" #")[0].strip()
            if value and value[0] not in "|>{[&*!%@`'\"":
                return value
            if len(value) > 2 and value[0] in "'\"" and value.find(value[0], 1) == len(value) - 1 and "\\" not in value:
                return value[1:-1]
    if not any("state_dir" in line for line in lines):
        return None
    import yaml

    try:
        found = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise Failed(
            f"maild.yaml cannot be read ({str(error).splitlines()[0]}); write on one line: state_dir: DIR"
        ) from error
    named = found.get("state_dir") if isinstance(found, dict) else None
    return str(named) if named else None


def _become_owner(state_dir: Path) -> None:
    """As root, act as the owner of the state directory: the daemon must be able to read what is written."""
    if os.geteuid() != 0:
        return
    try:
        owner = state_dir.stat()
    except FileNotFoundError:
        return
    if owner.st_uid != 0:
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def _known_addresses(state_dir: Path) -> set[str] | None:
    """The addresses of the last good configuration, or None where that is not known: then every message is taken."""
    try:
        found = json.loads((state_dir / "addresses.json").read_bytes())
    except (OSError, ValueError):
        return None
    return {str(one) for one in found} if isinstance(found, list) and found else None


def _hand_over(state_dir: Path, header: dict[str, Any], raw: bytes) -> int | None:
    """Give the message to the running daemon; returns its code, or None where it has to go into a file."""
    mark = control.read_mark(state_dir)
    for path in control.places(state_dir):
        if mark is None and path.parent != state_dir and os.access(state_dir, os.R_OK | os.X_OK):
            continue  # nothing shows that this is our daemon
        try:
            answer = control.call(path, {"do": "deliver", **header}, raw, HAND_OVER_WITHIN, mark=mark)
        except control.NotReached:
            continue
        if answer.get("code") in {DONE, NO_SUCH_ADDRESS}:
            if answer.get("text") and answer["code"] != DONE:
                _say(str(answer["text"]))
            return int(answer["code"])
        return None
    return None


def _say(text: str) -> None:
    """One line on stderr, which Postfix writes into its log and into bounces."""
    line = "".join(c if c.isprintable() else " " for c in f"maild deliver: {text}")
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # nobody listens; the exit code says enough
