"""This is where the tests get a real IMAP server: an instance of Debian's Dovecot of their own, on loopback."""

from __future__ import annotations

import contextlib
import imaplib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
WHY_NOT = "needs Dovecot: make test-services"
PASSWORD = "open-sesame"

CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
instance_name = maild-test-{port}
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = {ssl}
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
ssl_dh = </usr/share/dovecot/dh.pem
disable_plaintext_auth = no
auth_mechanisms = plain{mechanisms}
auth_failure_delay = 0
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
default_vsz_limit = 512M
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{folder}/mail/%u
mail_uid = {mail_uid}
mail_gid = {mail_gid}
mail_fsync = never
imap_idle_notify_interval = 30 s
mail_plugins = {plugins}
imap_capability = {capability}
{oauth}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
}}
plugin {{
  {quota}
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""
OAUTH = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {folder}/oauth2.conf
}}
"""
INTROSPECTION = """
introspection_mode = post
introspection_url = {url}
username_attribute = username
active_attribute = active
active_value = true
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def certificate(folder: Path, name: str = "imap.example") -> Path:
    """Make folder/cert.pem and folder/key.pem, signed by itself, for ``name`` and 127.0.0.1; the former is returned."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem"


@dataclass
class Dovecot:
    """A running server. Any user name exists, all with PASSWORD; `start` and `stop` may be called again."""

    folder: Path
    port: int
    tls_port: int
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def ca_file(self) -> str:
        return str(self.folder / "cert.pem")

    def start(self) -> None:
        root = os.geteuid() == 0
        me = pwd.getpwuid(os.geteuid())
        internal = pwd.getpwnam("dovecot") if root else me
        mail = pwd.getpwnam("nobody") if root else me
        values = {
            "folder": str(self.folder), "port": str(self.port), "tls_port": str(self.tls_port), "password": PASSWORD,
            "internal": internal.pw_name, "internal_group": "dovecot" if root else str(internal.pw_gid),
            "login": "dovenull" if root else me.pw_name,
            "mail_uid": str(mail.pw_uid), "mail_gid": str(mail.pw_gid), "plugins": "", "capability": "", "oauth": "",
            "mechanisms": "", "separator": "/", "prefix": "", "quota": "", "ssl": "yes",
        } | self.settings  # fmt: skip
        (self.folder / "mail").mkdir(exist_ok=True)
        os.chown(self.folder / "mail", mail.pw_uid, mail.pw_gid)
        config = self.folder / "dovecot.conf"
        config.write_text(CONFIG.format(**values))
        assert PROGRAM is not None
        self.process = subprocess.Popen([PROGRAM, "-F", "-c", str(config)], start_new_session=True)
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=2) as sock:
                sock.settimeout(2)
                if sock.recv(10):
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"dovecot does not start: {(self.folder / 'log').read_text()}")

    def stop(self) -> None:
        """End it and the processes that it started (its own process group)."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)
            self.process = None

    def log(self) -> str:
        return (self.folder / "log").read_text()

    @contextlib.contextmanager
    def client(self, user: str, folder: str = "INBOX") -> Iterator[imaplib.IMAP4]:
        """Another client of the same account, with a folder open."""
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=20)
        try:
            client.login(user, PASSWORD)
            client.select(folder)
            yield client
        finally:
            client.logout()

    def append(self, user: str, *messages: bytes, folder: str = "INBOX") -> None:
        """Put messages into a folder, as a delivery would."""
        with self.client(user) as client:
            for message in messages:
                kind, data = client.append(folder, "", "", message)
                assert kind == "OK", data

    def fill(self, user: str, messages: Iterator[bytes], folder: str = "") -> None:
        """Write messages straight into the Maildir, for many at once."""
        home = self.folder / "mail" / user / folder
        owner = (self.folder / "mail").stat()
        for name in ("", "new", "cur", "tmp"):
            (home / name).mkdir(parents=True, exist_ok=True)
        for number, message in enumerate(messages):
            (home / "new" / f"{1_600_000_000 + number}.M{number}P1.test").write_bytes(message)
        for place in [home.parent, home, *home.rglob("*")]:
            os.chown(place, owner.st_uid, owner.st_gid)

    def subjects(self, user: str, folder: str = "INBOX") -> list[str]:
        """What is in a folder, by Subject, in the order of its UIDs; [] where there is no such folder."""
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=20)
        try:
            client.login(user, PASSWORD)
            if client.select(f'"{folder}"', readonly=True)[0] != "OK":
                return []
            _, data = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            return [part[1].decode().partition(":")[2].strip() for part in data if isinstance(part, tuple)]
        finally:
            client.logout()

    def flags(self, user: str, folder: str = "INBOX") -> list[bytes]:
        """The flags of each message, as the server says them."""
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=20)
        try:
            client.login(user, PASSWORD)
            client.select(f'"{folder}"', readonly=True)
            return sorted(line for line in client.uid("FETCH", "1:*", "(FLAGS)")[1] if line)
        finally:
            client.logout()


@contextlib.contextmanager
def dovecot(oauth_url: str = "", **settings: str) -> Iterator[Dovecot]:
    """A Dovecot for the length of the block; ``oauth_url`` is where it asks about XOAUTH2 tokens."""
    folder = Path(tempfile.mkdtemp(prefix="maild-dovecot-"))
    folder.chmod(0o755)
    certificate(folder)
    if oauth_url:
        (folder / "oauth2.conf").write_text(INTROSPECTION.format(url=oauth_url))
        settings |= {"oauth": OAUTH.format(folder=folder), "mechanisms": " xoauth2"}
    server = Dovecot(folder, free_port(), free_port(), settings)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
