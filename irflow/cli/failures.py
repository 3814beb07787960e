"""How commands fail: the exit code and text of every error."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from irflow.errors import IrflowError, UsageError

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


class CommandError(UsageError):
    """The command line asks for something that does not exist or does not fit; exit code 2."""


class ModelError(IrflowError, RuntimeError):
    """The file or function of a model raised an error of its own."""


class VerificationError(IrflowError, RuntimeError):
    """An executable computes something else than the reference evaluator."""


class CommandParser(argparse.ArgumentParser):
    """An argument parser with examples under its help and without abbreviated options."""

    def __init__(self, command: str, description: str, examples: str) -> None:
        super().__init__(
            prog=f"irflow {command}",
            description=description,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )


@contextmanager
def misuse(*kinds: type[IrflowError], about: str = "") -> Iterator[None]:
    """Report errors of these kinds as a wrong command line; `about` says which part of it."""
    try:
        yield
    except kinds as error:
        raise CommandError(
            f"{about}: {error.summary}" if about else error.summary,
            facts=error.facts,
            location=error.location,
            hint=error.hint,
        ) from error


def exit_code_of(command: Callable[[], int]) -> int:
    """Run a command; what it raises becomes a text on stderr and an exit code.

    Other errors than `IrflowError` are mistakes of irflow itself and keep their traceback.
    """
    try:
        code = command()
        sys.stdout.flush()
    except IrflowError as error:
        return _report(error)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE if end.code is None else FAILED
    except MemoryError:
        print("irflow: out of memory", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("irflow: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return _close_quietly()
    return code


def _report(error: IrflowError) -> int:
    if os.environ.get("IRFLOW_TRACEBACK") == "full":
        traceback.print_exception(error)
    kind = "irflow: error" if isinstance(error, CommandError) else type(error).__name__
    print(f"{kind}: {error}", file=sys.stderr)
    return MISUSED if isinstance(error, CommandError) else FAILED


def _close_quietly() -> int:
    """The reader of our output has gone: let the interpreter flush into nothing at its end."""
    with suppress(OSError, ValueError):  # a stand-in for stdout may have no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def unreachable_file(path: str, problem: str, hint: str | None = None) -> NoReturn:
    """Raise the error for a file that cannot be used."""
    raise CommandError(f"{path}: {problem}", hint=hint)
