"""This is where maild proves the files and secrets that doors, smarthost and accounts need: certificates, keys, passwords.

Without them a door cannot open and nothing goes out, so the start and a reload refuse what is wrong with them; an account
that cannot log in stops nothing else. Elsewhere (`maild check` as another user, outside the unit) a file that may not be
read, or a secret that is not there, is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from maild.errors import ConfigError, Fault
from maild.plain import certificates
from maild.settings.models import MaildYaml, Settings, SmtpDoor, Tls
from maild.settings.secrets import read as read_secret
from maild.settings.values import Secret

_Path = tuple[str | int, ...]


def placed(main: MaildYaml, folder: Path) -> MaildYaml:
    """The same with relative paths of certificates, keys and authorities made absolute: they are below ``folder``."""

    def door(one: SmtpDoor) -> SmtpDoor:
        if one.tls is None:
            return one
        key = str(folder / one.tls.key) if isinstance(one.tls.key, str) else one.tls.key
        tls = one.tls.model_copy(update={"certificate": str(folder / one.tls.certificate), "key": key})
        return one.model_copy(update={"tls": tls})

    ingest = main.ingest.model_copy(
        update={"smtp": tuple(map(door, main.ingest.smtp)), "lmtp": tuple(map(door, main.ingest.lmtp))}
    )
    outbound = main.outbound
    if outbound.smtp.ca_file is not None:
        smarthost = outbound.smtp.model_copy(update={"ca_file": str(folder / outbound.smtp.ca_file)})
        outbound = outbound.model_copy(update={"smtp": smarthost})
    return main.model_copy(update={"ingest": ingest, "outbound": outbound})


def faults(settings: Settings) -> list[Fault]:
    """What is wrong with those of doors and smarthost, at its place in maild.yaml; what cannot be known from here is a
    warning."""
    return _found(settings, _table(settings))


def accounts(settings: Settings) -> list[Fault]:
    """The same of the IMAP accounts' passwords and client secrets."""
    return _found(settings, _accounts(settings))


def _found(settings: Settings, table: Iterator[tuple[_Path, Callable[[], object]]]) -> list[Fault]:
    from maild.settings.load import Reading  # it stands on this module

    found = []
    document = None
    for path, attempt in table:
        fault = _tried(attempt)
        if fault is not None:
            document = document or Reading(settings.named, "main").documents["maild.yaml"]
            line, column = document.place(path)
            found.append(replace(fault, file=document.home(path).file, line=line, column=column))
    return found


def _tried(attempt: Callable[[], object]) -> Fault | None:
    try:
        attempt()
    except certificates.Unusable as error:
        return Fault("", 0, 0, str(error), "put the right file there, or name it here")
    except PermissionError as error:
        hint = "the user that runs maild must be able to"
        return Fault("", 0, 0, f"{error.filename} may not be read by the present user", hint, severity="warning")
    except ConfigError as error:
        return replace(error.faults[0], severity="warning")
    return None


def _table(settings: Settings) -> Iterator[tuple[_Path, Callable[[], object]]]:
    """Each thing to try, with its place in maild.yaml."""
    folder, ingest, outbound = settings.folder, settings.main.ingest, settings.main.outbound

    def secret(one: Secret) -> Callable[[], object]:
        return lambda: read_secret(one, folder)

    for kind, doors in (("smtp", ingest.smtp), ("lmtp", ingest.lmtp)):
        for number, door in enumerate(doors):
            at: _Path = ("ingest", kind, number) if len(doors) > 1 else ("ingest", kind)
            if door.tls is not None:
                yield (*at, "tls", "certificate"), lambda tls=door.tls: _chain(tls, folder)  # type: ignore[misc]
            for user, password in door.auth.items():
                yield (*at, "auth", user), secret(password)
    smarthost = outbound.smtp
    if smarthost.password is not None:
        yield ("outbound", "smtp", "password"), secret(smarthost.password)
    if smarthost.ca_file is not None and smarthost.security != "none":
        yield ("outbound", "smtp", "ca_file"), lambda: certificates.trusting(smarthost.ca_file or "")
    for number, key in enumerate(outbound.dkim):
        path: _Path = ("outbound", "dkim", number) if len(outbound.dkim) > 1 else ("outbound", "dkim")
        yield (*path, "key"), secret(key.key)


def _accounts(settings: Settings) -> Iterator[tuple[_Path, Callable[[], object]]]:
    def secret(one: Secret) -> Callable[[], object]:
        return lambda: read_secret(one, settings.folder)

    for name, mailbox in settings.main.mailboxes.items():
        for number, account in enumerate(mailbox.imap):
            at: _Path = ("mailboxes", name, "imap", number) if len(mailbox.imap) > 1 else ("mailboxes", name, "imap")
            if account.password is not None:
                yield (*at, "password"), secret(account.password)
            if account.auth is not None and account.auth.oauth2.client_secret is not None:
                yield (*at, "auth", "oauth2", "client_secret"), secret(account.auth.oauth2.client_secret)


def _chain(tls: Tls, folder: Path) -> None:
    if isinstance(tls.key, str):
        certificates.load_chain(certificates.serving(), tls.certificate, tls.key)
    else:
        certificates.load_chain(certificates.serving(), tls.certificate, "", key_in=read_secret(tls.key, folder))
