"""This is where the program begins. `deliver` is dispatched before anything heavy is imported: Postfix waits for it."""

from __future__ import annotations

import sys


def main() -> int:
    """The entry point of the `maild` command; returns the exit status."""
    argv = sys.argv[1:]
    if is_deliver(argv):
        from maild.cli import deliver

        return deliver.main(argv)
    from maild.cli.app import run

    return run(argv)


def is_deliver(argv: list[str]) -> bool:
    """Whether the command is `deliver`: the first word after the options that every command takes."""
    words = iter(argv)
    for word in words:
        if word in {"--config", "--as"}:
            next(words, None)
        elif not word.startswith("-"):
            return word == "deliver"
    return False


if __name__ == "__main__":
    sys.exit(main())
