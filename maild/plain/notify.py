"""This is where maild talks with systemd: readiness and watchdog (sd_notify(3)), and its sockets (sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket

_FIRST_FD = 3  # SD_LISTEN_FDS_START


def notify(state: str) -> bool:
    """Send ``READY=1``, ``STATUS=…``, ``WATCHDOG=1``, ``RELOADING=1``, ``STOPPING=1`` (lines) to the service manager.

    Returns whether it was sent; False without $NOTIFY_SOCKET, and where the socket does not take it: not being heard
    by systemd is no reason to stop.
    """
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return False
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(2)
            sender.sendto(state.encode(), address)
    except OSError:
        return False
    return True


def watchdog_interval() -> float | None:
    """How many seconds to wait between two ``WATCHDOG=1``: half of what systemd allows. None without a watchdog for
    this very process ($WATCHDOG_USEC, $WATCHDOG_PID; sd_watchdog_enabled(3))."""
    try:
        microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
        pid = int(os.environ.get("WATCHDOG_PID", "0"))
    except ValueError:
        return None
    if microseconds <= 0 or pid not in (0, os.getpid()):
        return None
    return microseconds / 2_000_000


def listen_fds() -> dict[str, list[int]]:
    """The listening sockets that systemd opened for this process or the one that it was forked from:
    FileDescriptorName -> file descriptors.

    Sockets without a name are under ``unknown``. Empty where there are none, or where they are for another process.
    They are not passed on to programs that are started.
    """
    try:
        count = int(os.environ.get("LISTEN_FDS", "0"))
        pid = int(os.environ.get("LISTEN_PID", "0"))
    except ValueError:
        return {}
    if pid not in (os.getpid(), os.getppid()):
        return {}
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[int]] = {}
    for index in range(count):
        fd = _FIRST_FD + index
        os.set_inheritable(fd, False)
        name = names[index] if index < len(names) and names[index] else "unknown"
        found.setdefault(name, []).append(fd)
    return found
