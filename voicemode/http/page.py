"""The page: its files, as ``make page`` built them, and how a browser is let in."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from voicemode.http.bodies import json_object, text_of
from voicemode.http.errors import HttpError
from voicemode.http.guard import ASSETS_PATH, ATTACH_PATH, PAGE_VIEWS, caller_of
from voicemode.http.page_visitors import COOKIE, KEPT_S, PageVisitors

__all__ = ["FOLDER", "SECURITY_HEADERS", "page_routes"]

FOLDER = Path(__file__).parent / "page"
"""Where ``make page`` puts what it builds."""
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "media-src": "'self' blob:",
    "worker-src": "'self'",
    "font-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
SECURITY_HEADERS = {
    "content-security-policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), speaker-selection=(self), screen-wake-lock=(self), camera=(), geolocation=()",
}
_FOREVER = "public, max-age=31536000, immutable"
"""The names of such files have their content's hash."""
_KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_LONGEST_KEY = 200
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>voicemode</title>
<h1>The page is not built</h1><p>Run <code>make page</code> in voicemode's sources, then load this again.</p></html>"""


def page_routes(visitors: PageVisitors, folder: Path = FOLDER, *, memory: str = "incognito") -> list[Route]:
    """Files for everyone, since there is nothing in them; and the exchange of a link's key for a cookie.

    ``memory`` is whether conversations are kept where the page's visitor chose nothing else.
    """

    async def index(_: Request) -> Response:
        file = folder / "index.html"
        if not file.is_file():
            return Response(_NOT_BUILT, 503, SECURITY_HEADERS, "text/html")
        return FileResponse(file, headers=SECURITY_HEADERS | {"cache-control": "no-cache"})

    async def icon(_: Request) -> Response:
        return _file(folder / "favicon.svg", "no-cache")

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]  # without a slash: the route's pattern
        return _file(folder / "assets" / name, _FOREVER)

    async def attach(request: Request) -> JSONResponse:
        body = await json_object(request)
        cookie = visitors.admit(text_of(body, "key", most=_LONGEST_KEY))
        if cookie is None:
            raise HttpError(401, "invalid_key", "This link was used before, or is not of this server.")
        answer = JSONResponse({"attached": True, "expires_in_s": KEPT_S}, headers={"cache-control": "no-store"})
        port = (request.headers.get("host", "").rpartition(":")[2] or "0").strip()
        answer.set_cookie(
            f"{COOKIE}_{port if port.isdecimal() else 0}",
            cookie,
            max_age=KEPT_S,
            path="/",
            httponly=True,
            samesite="strict",
            secure=request.headers.get("origin", "").startswith("https:"),
        )
        return answer

    async def new_key(request: Request) -> JSONResponse:
        if not caller_of(request.scope).trusted:
            raise HttpError(403, "forbidden", "Only the owner of the installation makes links.")
        return JSONResponse({"key": visitors.new_key()}, headers={"cache-control": "no-store"})

    async def attached(request: Request) -> JSONResponse:
        told = {"attached": caller_of(request.scope).trusted, "memory": memory}
        return JSONResponse(told, headers={"cache-control": "no-store"})

    return [
        *(Route(path, index, methods=["GET"]) for path in PAGE_VIEWS),
        Route("/favicon.svg", icon, methods=["GET"]),
        Route(f"{ASSETS_PATH}{{name}}", asset, methods=["GET"]),
        Route(ATTACH_PATH, attach, methods=["POST"]),
        Route("/api/page", attached, methods=["GET"]),
        Route("/api/page/key", new_key, methods=["POST"]),
    ]


def _file(file: Path, cache: str) -> Response:
    if file.name.startswith(".") or not file.is_file():
        raise HttpError(404, "not_found", "There is nothing at this address.")
    kind = _KINDS.get(file.suffix, "application/octet-stream")
    return FileResponse(file, media_type=kind, headers=SECURITY_HEADERS | {"cache-control": cache})
