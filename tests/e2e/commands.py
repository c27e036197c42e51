"""This is where many commands run fast: a process that has imported maild once and forks for each of them.

Run as a script: a line of JSON on stdin is one command ({"argv", "env", "cwd", "stdin", "stdout", "stderr"}: the last three
are paths), a line on stdout its exit status.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import sys
import traceback


def serve() -> None:
    import maild.cli.commands
    from maild.__main__ import main

    for one in pkgutil.walk_packages(maild.__path__, "maild."):
        if not one.name.endswith("__main__") and ".migrations." not in one.name:
            importlib.import_module(one.name)
    replies = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        wanted = json.loads(line)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                for number, name, flags in (
                    (0, "stdin", os.O_RDONLY), (1, "stdout", os.O_WRONLY | os.O_CREAT), (2, "stderr", os.O_WRONLY | os.O_CREAT)
                ):
                    os.dup2(os.open(wanted[name], flags, 0o600), number)
                sys.stdin = os.fdopen(0, closefd=False)
                os.chdir(wanted["cwd"])
                os.environ.clear()
                os.environ.update(wanted["env"])
                sys.argv = ["maild", *wanted["argv"]]
                status = main()
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                traceback.print_exc()
            finally:
                for stream in (sys.stdout, sys.stderr):
                    with contextlib.suppress(OSError, ValueError):
                        stream.flush()
                os._exit(status)
        _, ended = os.waitpid(pid, 0)
        replies.write(f"{os.waitstatus_to_exitcode(ended)}\n")
        replies.flush()


if __name__ == "__main__":
    serve()
