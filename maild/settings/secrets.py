"""This is where maild fetches a secret from where the configuration says it is: a credential, the environment, a file.

A credential is looked for where systemd puts it (systemd.exec(5), LoadCredential=) and, outside the unit, in the stores
that the unit would be given it from; encrypted ones are opened by systemd-creds(1).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from maild.errors import ConfigError, Fault
from maild.settings.values import Secret

STORES = (Path("/etc/credstore"), Path("/run/credstore"))
ENCRYPTED_STORES = (Path("/etc/credstore.encrypted"), Path("/run/credstore.encrypted"))


def read(secret: Secret, folder: Path) -> str:
    """The secret as text, without the newline that ends it.

    ``folder`` is the configuration directory, to which a `{file: PATH}` is relative. Raises ConfigError that says where
    the secret was looked for, never what it is.
    """
    if secret.env is not None:
        if secret.env not in os.environ:
            raise _absent(f"the environment has no {secret.env}", f"start maild with {secret.env}=… set")
        return _ended(os.environ[secret.env])
    if secret.file is not None:
        path = folder / Path(secret.file).expanduser()
        try:
            return _text(path.read_bytes(), str(path))
        except OSError as error:
            raise _absent(
                f"the secret's file {path} cannot be read: {(error.strerror or '').lower()}",
                "check that it is there, and its owner and mode",
            ) from None
    assert secret.credential is not None
    return _credential(secret.credential)


def _credential(name: str) -> str:
    if not name or "/" in name or name in {".", ".."}:
        raise _absent(f"{name!r} is no name of a credential", "write the bare name: {credential: db}")
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    places = [*([Path(given)] if given else []), *STORES]
    denied = ""
    for place in places:
        path = place / name
        try:
            return _text(path.read_bytes(), str(path))
        except FileNotFoundError:
            continue
        except OSError as error:
            denied = f"; {path}: {(error.strerror or str(error)).lower()}"
    for place in ENCRYPTED_STORES:
        path = place / name
        try:
            there = path.is_file()
        except OSError:
            there = False
        if there:
            return _decrypted(name, path)
    looked = ", ".join(str(place) for place in (*places, *ENCRYPTED_STORES))
    outside = "" if given else "$CREDENTIALS_DIRECTORY (unset outside the unit), "
    raise _absent(
        f"the credential {name!r} was not found in {outside}{looked}{denied}",
        f"run as the unit does: systemd-run --pty -p LoadCredential={name}:/etc/credstore/{name} maild …",
    )


def _decrypted(name: str, path: Path) -> str:
    program = shutil.which("systemd-creds")
    if program is None:
        raise _absent(
            f"the credential {path} is encrypted and there is no systemd-creds to open it",
            f"run as the unit does: systemd-run --pty -p LoadCredentialEncrypted={name}:{path} maild …",
        )
    done = subprocess.run(
        [program, "decrypt", f"--name={name}", str(path), "-"], capture_output=True, timeout=30, check=False
    )
    if done.returncode != 0:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _absent(
            f"the credential {path} could not be opened: {why[-1] if why else 'systemd-creds failed'}",
            f"as root, or: systemd-run --pty -p LoadCredentialEncrypted={name}:{path} maild …",
        )
    return _text(done.stdout, str(path))


def _text(raw: bytes, place: str) -> str:
    try:
        return _ended(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise _absent(f"the secret in {place} is not text in UTF-8", "write it again as text") from None


def _ended(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _absent(message: str, hint: str) -> ConfigError:
    return ConfigError([Fault("secret", 0, 0, message, hint, "docs/reference/configuration.md#secrets")])
