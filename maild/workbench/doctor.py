"""This is where maild looks at its surroundings, for `maild doctor`: what the world knows of its domains, and its machine.

Each finding says what was looked at, how it stands and what mends it. The DNS is asked through ``ask``, so that a test
answers in its place. Nothing is changed, and no mail is sent.
"""

from __future__ import annotations

import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from maild import fetching
from maild.errors import ConfigError, TransientError
from maild.plain import certificates
from maild.plain.domains import FREE_MAIL, organisational, to_ascii
from maild.settings import secrets
from maild.settings.models import Settings, Tls
from maild.settings.values import Secret
from maild.store.unit_of_work import Store

Ask = Callable[[str, str], list[str]]  # (name, MX or TXT) -> the records; raises TimeoutError where nobody answers

SOON = timedelta(days=21)
LOW_ROOM = 1024**3
_POSTFIX = Path("/var/spool/postfix/private")


class State(StrEnum):
    """How something stands: as it should, worth a look, or in the way of mail."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it stands, what was seen, and what mends it ('' where nothing is to mend)."""

    what: str
    state: State
    text: str
    fix: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine(settings: Settings, store: Store | None, ask: Ask, now: datetime) -> Iterator[Finding]:
    """Look at everything, domain by domain, then at this machine. Never raises for what is found wrong."""
    for domain in dict.fromkeys(to_ascii(one.address.rpartition("@")[2]) for one in settings.main.mailboxes.values()):
        yield from _domain(settings, domain, ask)
    yield from _certificates(settings, now)
    for mailbox, ends in fetching.sign_ins(settings).items():
        yield _until(f"sign-in of mailbox {mailbox}", ends, now, f"run: maild oauth login {mailbox}")
    yield from _secrets(settings)
    yield from _machine(settings, store)


# --- what the world knows of a domain ---------------------------------------------------------------------------


def _domain(settings: Settings, domain: str, ask: Ask) -> Iterator[Finding]:
    if domain in FREE_MAIL:
        yield Finding(f"domain {domain}", State.OK, "a provider's; its records are not yours to change")
        return
    for what, look in (("MX", _mx), ("SPF", _spf), ("DKIM", _dkim), ("DMARC", _dmarc)):
        try:
            yield from look(settings, domain, ask)
        except TimeoutError as error:
            yield Finding(f"{what} of {domain}", State.WARNING, f"the DNS does not answer ({error})", "try again; check resolv.conf")


def _mx(settings: Settings, domain: str, ask: Ask) -> Iterator[Finding]:
    what = f"MX of {domain}"
    hosts = ask(domain, "MX")
    if not hosts:
        yield Finding(what, State.FAULT, "none: mail to it may not arrive anywhere",
                      f"publish for {domain}: MX 10 and the name of the server that takes its mail")  # fmt: skip
    elif hosts == ["."]:
        yield Finding(what, State.FAULT, "'.' says that the domain takes no mail (RFC 7505)", "publish the server that does")
    else:
        yield Finding(what, State.OK, ", ".join(hosts))


def _spf(settings: Settings, domain: str, ask: Ask) -> Iterator[Finding]:
    what, host = f"SPF of {domain}", settings.main.outbound.smtp.host
    found = [one for one in ask(domain, "TXT") if one.lower().split(" ")[0] == "v=spf1"]
    if not found:
        yield Finding(what, State.FAULT, "none: our answers may count as forged",
                      f'publish for {domain}: TXT "v=spf1 mx ~all", with the address that {host} sends from')  # fmt: skip
    elif len(found) > 1:
        yield Finding(what, State.FAULT, f"{len(found)} records: none of them counts (RFC 7208, 4.5)", "leave one")
    elif not any(term.lower().lstrip("+-~?") == "all" or term.lower().startswith("redirect=") for term in found[0].split()):
        yield Finding(what, State.WARNING, f"{found[0]} has no end: any server may send", "end it in ~all or -all")
    elif {"all", "+all"} & set(found[0].lower().split()):
        yield Finding(what, State.WARNING, f"{found[0]} lets any server send", "end it in ~all or -all")
    else:
        yield Finding(what, State.OK, f"{found[0]} (see that {host} sends from an address that it allows)")


def _dkim(settings: Settings, domain: str, ask: Ask) -> Iterator[Finding]:
    from maild.outbound.dkim import proven, published

    keys = [one for one in settings.main.outbound.dkim if domain == one.domain or domain.endswith(f".{one.domain}")]
    if not keys:
        yield Finding(f"DKIM of {domain}", State.OK, f"maild signs nothing for it; see that {settings.main.outbound.smtp.host} does")
    for key in keys:
        name = f"{key.selector}._domainkey.{to_ascii(key.domain)}"
        what = f"DKIM key {name}"
        try:
            pem = secrets.read(key.key, settings.folder)
            record = published(pem)
        except ConfigError as error:
            yield Finding(what, State.FAULT, error.faults[0].message, error.faults[0].hint)
            continue
        texts = ask(name, "TXT")
        if not texts:
            yield Finding(what, State.FAULT, "not published: what we sign counts as broken", f'publish for {name}: TXT "{record}"')
        elif not proven(pem, key.selector, key.domain, texts[0]):
            yield Finding(what, State.FAULT, "what is published is another key: our signatures fail", f'publish for {name}: TXT "{record}"')
        else:
            yield Finding(what, State.OK, "published, and ours")


def _dmarc(settings: Settings, domain: str, ask: Ask) -> Iterator[Finding]:
    what = f"DMARC of {domain}"
    for name in dict.fromkeys((domain, organisational(domain))):  # RFC 7489, 6.6.3
        found = [one for one in ask(f"_dmarc.{name}", "TXT") if one.lower().replace(" ", "").startswith("v=dmarc1")]
        if len(found) > 1:
            yield Finding(what, State.FAULT, f"{len(found)} records: none of them counts", "leave one")
            return
        if found:
            yield Finding(what, State.OK, found[0])
            return
    yield Finding(what, State.WARNING, "none: large providers trust our answers less",
                  f'publish for _dmarc.{domain}: TXT "v=DMARC1; p=none; rua=mailto:postmaster@{domain}"')  # fmt: skip


# --- what runs out ----------------------------------------------------------------------------------------------


def _certificates(settings: Settings, now: datetime) -> Iterator[Finding]:
    pairs = {
        door.tls.certificate: door.tls
        for door in (*settings.main.ingest.smtp, *settings.main.ingest.lmtp) if door.tls is not None
    }  # fmt: skip
    for path, tls in pairs.items():
        yield _certificate(settings, path, tls, now)


def _certificate(settings: Settings, path: str, tls: Tls, now: datetime) -> Finding:
    what, fix = f"certificate {path}", "renew it, then: maild reload"
    try:
        key = secrets.read(tls.key, settings.folder) if isinstance(tls.key, Secret) else Path(tls.key).read_text(encoding="utf-8")
        ends = certificates.ends(path, key)
    except certificates.Expired as error:
        return Finding(what, State.FAULT, str(error), fix)
    except (certificates.Unusable, OSError, UnicodeDecodeError) as error:
        return Finding(what, State.FAULT, str(error), "put a certificate with its key there, both PEM")
    except ConfigError as error:
        return Finding(what, State.FAULT, error.faults[0].message, error.faults[0].hint)
    return _until(what, ends, now, fix)


def _until(what: str, ends: datetime, now: datetime, fix: str) -> Finding:
    if ends <= now:
        return Finding(what, State.FAULT, f"ended on {ends:%Y-%m-%d}", fix)
    text = f"good until {ends:%Y-%m-%d}, {(ends - now).days} days"
    return Finding(what, State.OK, text) if ends - now > SOON else Finding(what, State.WARNING, text, fix)


# --- this machine -----------------------------------------------------------------------------------------------


def _secrets(settings: Settings) -> Iterator[Finding]:
    """Files of secrets that others on the machine can read."""
    for path in sorted(_secret_files(settings.main.model_dump(mode="python"), settings.folder)):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue  # `maild check` names it
        if mode & stat.S_IROTH:
            yield Finding(f"secret {path}", State.WARNING, f"everybody on this machine can read it (mode {mode:04o})", f"chmod o-rwx {path}")


def _secret_files(value: Any, folder: Path) -> set[Path]:
    if isinstance(value, dict):
        if set(value) == {"credential", "env", "file"}:
            return {folder / Path(value["file"]).expanduser()} if value["file"] else set()
        return set[Path]().union(*(_secret_files(one, folder) for one in value.values()))
    if isinstance(value, list | tuple):
        return set[Path]().union(*(_secret_files(one, folder) for one in value))
    return set()


def _machine(settings: Settings, store: Store | None) -> Iterator[Finding]:
    yield _clock()
    if store is not None:
        try:
            size, room = store.size_and_room()
        except (OSError, TransientError) as error:
            yield Finding("disk", State.FAULT, str(error), "bring the database's disk back")
        else:
            if store.path is not None:
                text = f"{room // 1024**2} MiB free beside a database of {size // 1024**2} MiB"
                low = room < max(LOW_ROOM, size // 10)
                yield Finding("disk", State.WARNING if low else State.OK, text, "make room, or set retention.raw" if low else "")
    sockets = [door.listen for door in settings.main.ingest.lmtp if door.listen.startswith("unix:")]
    if sockets and _POSTFIX.is_dir():
        inside = any(one.startswith(f"unix:{_POSTFIX.parent}") for one in sockets) or (_POSTFIX / "maild").exists()
        if inside:
            yield Finding("Postfix", State.OK, "can reach the LMTP socket")
        else:
            yield Finding("Postfix", State.WARNING, f"runs in {_POSTFIX.parent} and may not reach {sockets[0]}",
                          "install systemd/maild-lmtp.socket, which opens a socket inside")  # fmt: skip


def _clock() -> Finding:
    fix = "run: timedatectl set-ntp true (deadlines and TLS go by this clock)"
    tool = shutil.which("timedatectl")
    try:
        said = subprocess.run([tool, "show", "-p", "NTPSynchronized", "--value"], capture_output=True, text=True, timeout=5, check=False).stdout.strip() if tool else ""
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    match said:
        case "yes":
            return Finding("clock", State.OK, "kept by a time service")
        case "no":
            return Finding("clock", State.WARNING, "no time service keeps it", fix)
        case _:
            return Finding("clock", State.OK, "whether a time service keeps it cannot be seen here (timedatectl does not say)")
