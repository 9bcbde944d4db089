"""The page and the JSON API of a model, as an ASGI application.

Nothing is kept of a request, and nothing a client sends names a file or an address. The page asks no other server.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import attrs
import jinja2
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from cellcls.serving.limits import LOOPBACK, Limits
from cellcls.serving.service import Asked, Service
from cellcls.serving.worker import BusyError

_HERE = Path(__file__).parent
_OPEN = frozenset({("GET", "/"), ("GET", "/health")})
"""What needs no token: the page holds nothing, and gets its token from the address it is opened with."""


class Prediction(BaseModel):
    """The answer for one image. Its class stays beside ``unknown``."""

    image: str
    predicted: str | None
    probability: float | None
    second: str | None
    probabilities: dict[str, float]
    unknown: str | None
    """Why the image is unlike the training images; "" if it is not, null if the model cannot tell."""
    heat: str | None
    """Where the network looked, as a `data:` address of a PNG."""


class Model(BaseModel):
    """What is served."""

    name: str
    classes: list[str]
    card: str | None
    rehearsal: bool


class Health(BaseModel):
    """That the server answers."""

    status: str


def make_app(service: Service, *, token: str | None, limits: Limits | None = None) -> FastAPI:
    """Return the application. Without a ``token`` only requests to this machine by its own names are answered."""
    limits = limits or Limits()

    @asynccontextmanager
    async def serving(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(title="cellcls", lifespan=serving, docs_url=None, redoc_url=None)
    page = _page()

    @app.middleware("http")
    async def guarded(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        refused = _refusal(request, token)
        response = await call(request) if refused is None else Response(f"{refused[1]}\n", refused[0])
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.get("/", include_in_schema=False)
    async def show() -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src blob: data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return HTMLResponse(page.render(nonce=nonce), headers={"Content-Security-Policy": policy})

    @app.get("/health")
    async def health() -> Health:
        return Health(status="ok")

    @app.get("/model")
    async def model() -> Model:
        return Model(**attrs.asdict(service.about))

    @app.post("/predict", openapi_extra=_BODY)
    async def predict(
        request: Request, name: str = Query("image", max_length=255), heat: bool = Query(False)
    ) -> Prediction:
        """Predict the class of an image, whose file is the body of the request."""
        data = await _body(request, limits)
        try:
            answer = await asyncio.wait_for(
                asyncio.wrap_future(service.ask(Asked(name=name, data=data, heat=heat))), limits.seconds
            )
        except BusyError as error:
            raise HTTPException(503, str(error), headers={"Retry-After": "1"}) from error
        except TimeoutError as error:
            raise HTTPException(504, f"no answer within {limits.seconds:g} s") from error
        if answer.prediction.error is not None:
            raise HTTPException(422, answer.prediction.error)
        return Prediction(**answer.to_data())  # type: ignore[arg-type]  # checked by pydantic

    return app


_BODY = {"requestBody": {"required": True, "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}}


def _page() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(_HERE)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined).get_template(
        "page.html.j2"
    )


def _refusal(request: Request, token: str | None) -> tuple[int, str] | None:
    """Return status and reason for what is not answered: another site's page, another name of this machine (a page may
    have its own name point here), a wrong token."""
    host = request.headers.get("host", "")  # not `request.url`, which has the server's own name where that is malformed
    if token is None and _hostname(host) not in LOOPBACK:
        return 421, "this server answers to localhost only"
    origin = request.headers.get("origin")
    if request.method != "GET" and origin is not None and origin != f"{request.url.scheme}://{host}":
        return 403, "pages of other sites get no answer"
    if token is None or (request.method, request.url.path) in _OPEN:
        return None
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if secrets.compare_digest(given.encode(), token.encode()):
        return None
    return 401, "the token is missing or wrong: use the address that `cellcls serve` printed"


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:  # a bracket without its end
        return None


async def _body(request: Request, limits: Limits) -> bytes:
    """Return the body of a request. Raises ``HTTPException`` beyond the limits."""
    too_large = HTTPException(413, f"the file is larger than {limits.megabytes:g} MB")
    most = int(limits.megabytes * 1e6)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and len(announced) < 20 and int(announced) > most:
        raise too_large
    data = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            async for chunk in request.stream():
                data += chunk
                if len(data) > most:
                    raise too_large
    except ClientDisconnect as error:
        raise HTTPException(400, "the connection ended before the file did") from error
    except TimeoutError as error:
        raise HTTPException(408, f"the file took longer than {limits.seconds:g} s") from error
    return bytes(data)
