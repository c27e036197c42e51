"""This is where a person signs a mailbox in at Google or Microsoft: `maild oauth`, and `maild oauth login MAILBOX`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from maild.cli import show
from maild.cli.context import become_owner, invocation

if TYPE_CHECKING:
    from maild.ingest.oauth_requests import Grant
    from maild.settings.models import Imap, OAuth2, Settings

# Nothing needs to listen here: the person copies the address at which the browser ends.
LANDING = "http://localhost:9025/"


def register(app: typer.Typer, noun: Callable[[str], typer.Typer] | None = None) -> None:
    """Add `oauth` to the command line; ``noun`` makes a group of commands with this help text."""
    from maild.cli import app as command_line

    group = (noun or command_line.noun)("Sign-ins of mailboxes that are fetched with OAuth2.")
    group.command("list")(listed)
    group.command("login")(login)
    app.add_typer(group, name="oauth")


def listed(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the mailboxes with OAuth2, and until when each is signed in."""
    from maild import clock
    from maild.ingest.oauth import expiry, token_file

    settings = invocation(ctx).main()
    become_owner(settings.state_dir)
    rows = []
    for name, account, config in _accounts(settings):
        grant = token_file(settings.state_dir, name, account.username).load()
        ends = expiry(grant, config) if grant else None
        state = (
            "needs no sign-in" if config.flow == "client_credentials"
            else "not signed in" if grant is None
            else "ended" if ends and ends <= clock.now()
            else "signed in"
        )  # fmt: skip
        rows.append(
            {"mailbox": name, "username": account.username, "provider": config.provider, "flow": config.flow,
             "state": state, "since": grant.obtained_at if grant else None, "until": ends}
        )  # fmt: skip
    if as_json:
        show.as_json(rows)
        return
    show.table(
        ["mailbox", "username", "provider", "state", "until"],
        [(row["mailbox"], row["username"], row["provider"], row["state"], _day(row["until"])) for row in rows],
    )


def login(
    ctx: typer.Context,
    mailbox: Annotated[str, typer.Argument(help="The mailbox, by its name in maild.yaml.")],
    browser: Annotated[bool, typer.Option("--browser", help="By a browser's address, not by a code.")] = False,
) -> None:
    """Sign a mailbox in: maild shows where to consent, and keeps the permission in state_dir."""
    from maild.ingest.oauth import token_file
    from maild.ingest.oauth_requests import endpoints

    settings = invocation(ctx).main()
    found = [entry for entry in _accounts(settings) if entry[0] == mailbox]
    if not found:
        known = ", ".join(sorted({name for name, _, _ in _accounts(settings)})) or "none"
        show.error(f"{mailbox}: no mailbox of this name has imap.auth.oauth2 (those that have: {known})")
        raise typer.Exit(2)
    for name, account, config in found:
        if config.flow == "client_credentials":
            show.line(f"{account.username}: this flow needs no sign-in; try it: maild check --connect")
            continue
        secret = _client_secret(config, settings)
        by_code = bool(endpoints(config).device) and not browser
        show.line(f"Signing in {account.username} for mailbox {name}.")
        grant = _by_code(config, secret) if by_code else _by_browser(config, secret, account.username)
        become_owner(settings.state_dir)
        file = token_file(settings.state_dir, name, account.username)
        with file.locked():
            file.save(grant)
        show.line(f"Signed in; kept in {file.path}. A running daemon takes it up by itself.")
        _tried(name, account, config, secret, settings)


def _by_code(config: OAuth2, secret: str | None) -> Grant:
    """The device flow: a code to type in on any device."""
    from maild import clock
    from maild.ingest.oauth_consent import begin_device, finish_device

    code = begin_device(config)
    show.line(f"Open {code.verification_uri} in a browser, as the mailbox's user, and enter the code {code.user_code}")
    show.line(f"Waiting, {code.expires_in / 60:.0f} minutes at most …")
    return finish_device(config, secret, code, wait=time.sleep, now=clock.now)


def _by_browser(config: OAuth2, secret: str | None, username: str) -> Grant:
    """The browser's flow: for providers whose device flow does not reach mail (Google)."""
    import secrets

    from maild import clock
    from maild.ingest.oauth_consent import browser_address, finish_browser

    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    show.line("Open this address in a browser, as the mailbox's user, and consent:")
    show.line(browser_address(config, LANDING, state=state, verifier=verifier, username=username))
    show.line(f"The browser then ends at a page that cannot be shown ({LANDING}…). Copy its whole address.")
    landed = typer.prompt("Address", err=True)
    return finish_browser(config, secret, landed, LANDING, state=state, verifier=verifier, now=clock.now())


def _tried(name: str, account: Imap, config: OAuth2, secret: str | None, settings: Settings) -> None:
    """Log in once with what was just granted, so that a wrong scope or user shows now."""
    from maild.errors import MailboxUnavailable
    from maild.ingest.imap import located, probe
    from maild.ingest.oauth import TokenSource, token_file

    tokens = TokenSource(name, config, lambda: secret, token_file(settings.state_dir, name, account.username))
    try:
        for line in probe(located(account, settings.folder), tokens):
            show.line(line)
    except MailboxUnavailable as error:
        show.error(f"the sign-in was kept, but the mailbox cannot be opened with it: {error}")
        raise typer.Exit(1) from error


def _accounts(settings: Settings) -> list[tuple[str, Imap, OAuth2]]:
    """Mailbox, account and OAuth2 settings; an account with several folders once."""
    found = {
        (name, account.username): (name, account, account.auth.oauth2)
        for name, mailbox in settings.main.mailboxes.items()
        for account in mailbox.imap
        if account.auth is not None
    }
    return list(found.values())


def _client_secret(config: OAuth2, settings: Settings) -> str | None:
    from maild.settings.secrets import read

    return read(config.client_secret, settings.folder) if config.client_secret else None


def _day(value: object) -> str:
    return f"{value:%Y-%m-%d}" if value else ""
