"""``cellcls serve``."""

from __future__ import annotations

import secrets
import socket
import sys
from contextlib import suppress
from pathlib import Path

import click

from cellcls.cli.output import PathType, json_option, print_json, threads_option
from cellcls.cli.results import crop_option, device_option, tell_model
from cellcls.errors import MissingPluginError, UsageError
from cellcls.registry import Registry, load_registry
from cellcls.runs.chosen import Chosen, choose
from cellcls.runs.options import Options
from cellcls.serving.limits import LOOPBACK, Limits
from cellcls.terminal import answer, say

_HERE = "127.0.0.1"
_DEFAULTS = Limits()


@click.command()
@click.argument("runs", nargs=-1, type=PathType(), metavar="[RUN]...")
@click.option("--host", default=_HERE, help="Address to listen on; another than 127.0.0.1 needs the printed token.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port; 0: any that is free."
)
@click.option(
    "--max-size",
    type=click.FloatRange(min=0, min_open=True),
    default=_DEFAULTS.megabytes,
    show_default=True,
    metavar="MB",
    help="Largest image file.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    default=_DEFAULTS.seconds,
    show_default=True,
    metavar="SECONDS",
    help="For sending an image, and again for its answer.",
)
@crop_option
@device_option
@threads_option
@json_option
def serve(
    runs: tuple[Path, ...],
    host: str,
    port: int,
    max_size: float,
    time_limit: float,
    center_crop: int | None,
    device: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Serve a model: a page that names the cells in images dropped onto it, and a JSON API.

    RUN is a run folder or a weights file; several are an ensemble. Without it, the installed model is served.
    """
    registry = load_registry()
    chosen = choose(runs, registry)
    listening = _listening(host, port)
    with listening:
        try:
            import uvicorn

            from cellcls.serving.app import make_app
        except ModuleNotFoundError as error:
            if error.name not in ("uvicorn", "fastapi", "pydantic", "starlette"):
                raise
            raise MissingPluginError(
                f"`cellcls serve` needs {error.name}, which is not installed",
                'install it: pip install "cellcls[serve]" (in a checkout: pip install ".[serve]")',
            ) from error
        from cellcls.engine.inference import Predictor
        from cellcls.serving.service import Service

        predictor = Predictor(chosen.runs, registry, Options(device=device, threads=threads), center_crop=center_crop)
        tell_model(chosen)
        service = Service(predictor, " + ".join(chosen.names), _card(chosen, registry))
        token = None if host in LOOPBACK else secrets.token_urlsafe(24)
        app = make_app(service, token=token, limits=Limits(megabytes=max_size, seconds=time_limit))
        _tell(listening, token, as_json)
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=5)
        with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has ended well
            uvicorn.Server(config).run(sockets=[listening])
    say("cellcls: stopped")


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises ``UsageError`` where that cannot be."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}", "try another --port, or 0 for any"
        ) from error


def _card(chosen: Chosen, registry: Registry) -> str | None:
    cards = [model.card for model, _ in registry.models().values() if model.weights in chosen.runs]
    return cards[0].read_text(encoding="utf-8") if len(cards) == 1 == len(chosen.runs) and cards[0] else None


def _tell(listening: socket.socket, token: str | None, as_json: bool) -> None:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}/"
    if as_json:
        print_json({"address": address, "token": token})
        sys.stdout.flush()
    else:
        answer(address if token is None else f"{address}#{token}")
    if token is not None:
        say(
            "cellcls: whoever has this address can use the model; as http is not encrypted, keep it within a network "
            "you trust"
        )
    say("cellcls: Ctrl-C ends it")
