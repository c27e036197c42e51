"""This is where the tests get a Postfix of their own: Debian's programs, with queue, configuration and ports of its own."""

from __future__ import annotations

import os
import shutil
import smtplib
import socket
import subprocess
import time
from pathlib import Path

# master.cf(5): service, type, private, unprivileged, chroot, wakeup, limit, program. The LMTP client is in the chroot, as
# Debian has it; postlogd writes the log, since no syslog runs here.
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - y - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
maild-pipe unix - n n - 4 pipe
  flags=q user=nobody null_sender= argv={deliver} deliver --to ${{original_recipient}} --from ${{sender}}
"""
_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx.example.net
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
alias_maps =
alias_database =
local_recipient_maps =
relay_domains = example.com
transport_maps = texthash:{folder}/etc/transport
maild-pipe_destination_recipient_limit = 1
smtp_dns_support_level = disabled
default_transport = smtp:[127.0.0.1]:{next}
relay_transport = smtp:[127.0.0.1]:{next}
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"""


def missing() -> str:
    """Why it cannot be had here, '' if it can."""
    if shutil.which("postfix", path="/usr/sbin") is None:
        return "Postfix is not installed (make test-services)"
    return "" if os.geteuid() == 0 else "Postfix is started by root alone"


class Postfix:
    """One instance. ``transport``: address -> transport; all other mail goes on to port ``next_port``."""

    def __init__(self, folder: Path, transport: dict[str, str], next_port: int, deliver: Path) -> None:
        self.folder = folder
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = int(one.getsockname()[1])
        for name in ("etc", "queue", "data"):
            (folder / name).mkdir(parents=True)
        shutil.chown(folder / "data", "postfix", "postfix")
        routes = "".join(f"{address} {way}\n" for address, way in transport.items())
        (folder / "etc" / "transport").write_text(routes)
        (folder / "etc" / "main.cf").write_text(_MAIN.format(folder=folder, next=next_port))
        (folder / "etc" / "master.cf").write_text(_MASTER.format(port=self.port, deliver=deliver))

    def _run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [f"/usr/sbin/{program}", "-c", str(self.folder / "etc"), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def start(self) -> None:
        done = self._run("postfix", "start")
        deadline = time.monotonic() + 30
        while True:
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=5):
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"Postfix did not start: {done.stderr}{self.log()[-3000:]}") from None
                time.sleep(0.1)

    def stop(self) -> None:
        self._run("postfix", "abort")

    def flush(self) -> None:
        """Try again what waits."""
        self._run("postqueue", "-f")

    def waiting(self) -> int:
        """How many mails are in its queue."""
        listed = self._run("postqueue", "-j").stdout
        return len(listed.splitlines())

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""
