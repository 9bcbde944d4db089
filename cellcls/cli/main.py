"""The main function: runs a command and turns every error into one message and an exit code."""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from cellcls.cli import streams
from cellcls.cli.commands import Commands
from cellcls.errors import CellclsError, ExitCode


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cellcls")
def cellcls() -> None:
    """Classify blood cells under a microscope, reproducibly: one TOML recipe in, one run out."""
    if "logging" in sys.modules:  # a command that logs nothing need not import it
        import logging

        from cellcls.ops.text import visible

        class Visible(logging.Formatter):
            def format(self, record: logging.LogRecord) -> str:
                return visible(super().format(record), keep="\n")

        if logging.lastResort is not None:
            logging.lastResort.setFormatter(Visible("cellcls: warning: %(message)s"))


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line (by default, the arguments of the process) and exit with its code."""
    if args is None:
        streams.prepare()
        # OpenMP reads it when torch is loaded: threads that spin while they wait stand in the way of busy machines
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    code = _code(args)
    if "torch" not in sys.modules:
        gc.freeze()  # avoid a final garbage collection, which would slow down quick commands
    sys.exit(code)


def _code(args: Sequence[str] | None) -> int:
    try:
        answer = cellcls.main(args, prog_name="cellcls", standalone_mode=False)
        streams.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return ExitCode.USAGE
    except click.ClickException as error:
        _say(_wrong_usage(error))
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        _say("stopped by Ctrl-C")
        return ExitCode.INTERRUPTED
    except CellclsError as error:
        _say(str(error))
        return error.exit_code
    except (BrokenPipeError, SystemExit):  # click turns a broken pipe into an exit
        streams.abandon_stdout()
        return ExitCode.DONE
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            _say(f"{str(error.filename)[:40]}...: a name longer than any file has")
            return ExitCode.NO_INPUT
        if not streams.is_full(error):
            _say(_crashed(sys.argv[1:] if args is None else args))
            return ExitCode.BUG
        streams.abandon_stdout()
        _say(f"cannot write to stdout: {error.strerror}\n  the command is complete, and its files are written")
        return ExitCode.CANNOT_WRITE
    except Exception:
        _say(_crashed(sys.argv[1:] if args is None else args))
        return ExitCode.BUG
    return answer if isinstance(answer, int) else ExitCode.DONE


def _wrong_usage(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "cellcls"
    message = " ".join(error.format_message().split())
    return f"{message}\n  for help: {command} --help"


def _say(text: str) -> None:
    from cellcls.ops.text import visible

    with suppress(OSError):  # a message must not hide the exit code
        print(visible(f"cellcls: {text}", keep="\n"), file=sys.stderr)


def _crashed(args: Sequence[str]) -> str:
    """Write the traceback to a file and return the message."""
    import tempfile
    import time
    import traceback
    from pathlib import Path

    name = f"cellcls-crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    reason = traceback.format_exc()
    for folder in (Path(), Path(tempfile.gettempdir())):
        try:
            text = f"cellcls {' '.join(args)}\n\n{reason}"
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        last = reason.strip().splitlines()[-1]
        return f"a bug: {last}\n  the details are in {folder / name}; please report them"
    return f"a bug:\n{reason}"
