"""This is where the command line is put together: one module a group of commands, and what every command shares.

A noun alone lists, a noun with a number or name shows. Faults become one line on stderr and an exit status:
0 done, 1 faults found or not there, 2 wrong usage or configuration, 3 refused by the rules of cases, 70 our own fault.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from maild import __version__
from maild.cli import show
from maild.cli.context import Invocation, default_folder, login


class NounGroup(TyperGroup):
    """A group of commands on one noun: without a verb it lists, with a number or name in its place it shows."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        words = [arg for arg in args if not arg.startswith("-")]
        if not ctx.resilient_parsing and not {"--help"} & set(args):  # else a shell completes options of list, never the verbs
            if not words and "list" in self.commands:
                args = ["list", *args]
            elif words and words[0] not in self.commands and "show" in self.commands:
                args = ["show", *args]
        return super().parse_args(ctx, args)


def noun(help_text: str) -> typer.Typer:
    """A group of commands on one noun."""
    return typer.Typer(cls=NounGroup, help=help_text, no_args_is_help=False, rich_markup_mode=None)


def _version(wanted: bool) -> None:
    if wanted:
        show.line(f"maild {__version__}")
        raise typer.Exit


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        help="maild turns email into cases.", no_args_is_help=True, rich_markup_mode=None, add_completion=True,
        pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
    )  # fmt: skip

    @app.callback()
    def options(
        ctx: typer.Context,
        config: Annotated[Path | None, typer.Option("--config", help="The configuration directory, or several: BASE:SITE.")] = None,
        as_user: Annotated[str | None, typer.Option("--as", help="Write changes down in this person's name.")] = None,
        version: Annotated[
            bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
        ] = False,
    ) -> None:
        ctx.obj = Invocation(folder=config or default_folder(), who=as_user or login())

    @app.command()
    def version() -> None:
        """Print the version."""
        _version(True)

    from maild.cli import commands

    commands.register(app, noun)
    return app


def run(argv: list[str]) -> int:
    """Run one command; returns the exit status. Nothing but KeyboardInterrupt gets past it."""
    from maild.errors import CaseError, ConfigError, MaildError, TransientError

    try:
        result: Any = build()(argv, prog_name="maild", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except typer.Exit as stop:
        return stop.exit_code
    except typer.TyperException as fault:
        show.error(_usage(fault))
        return 2
    except typer.Abort:
        show.error("stopped")
        return 1
    except ConfigError as error:
        for fault_ in error.faults:
            show.error(fault_)
        return 2
    except CaseError as error:
        show.error(error)
        return 3
    except (TransientError, MaildError) as error:
        show.error(error)
        return 1
    except PermissionError as error:
        show.error(f"{error.filename}: no permission; run it as the owner: sudo -u maild maild …")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.filename is None:
            return _own_fault(error)
        show.error(f"{error.filename}: {(error.strerror or str(error)).lower()}; nothing was done")
        return 2
    except Exception as error:
        return _own_fault(error)


def _usage(fault: Any) -> str:
    """What is wrong with the words of a command, which of them, and where to read on."""
    from typer.core import TyperOption

    param, ctx = getattr(fault, "param", None), getattr(fault, "ctx", None)
    said = str(fault)
    if said.startswith("Missing parameter") or (param is None and said.startswith("Missing")):
        said = fault.format_message()
    elif param is not None:
        said = f"{param.opts[0] if isinstance(param, TyperOption) else (param.metavar or param.name.upper())}: {said}"
    return f"{said.rstrip('.')}; see {ctx.command_path if ctx is not None else 'maild'} --help"


def _own_fault(error: Exception) -> int:
    """One line on stderr, the traceback in a file that is named there; returns the exit status."""
    import traceback

    from maild.cli.crash import write_report

    where = write_report("".join(traceback.format_exception(error)))
    show.error(f"a fault of maild's own ({type(error).__name__}: {error}); the details are in {where}")
    return 70
