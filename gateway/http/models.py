"""``GET /v1/models`` and ``/v1/models/{id}``: as OpenAI's API has them, and a little more."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from asr_tasks.contracts.errors import UnknownModel
from gateway.registry import Models

OWNER = "asr-stream-tasks"


def add_routes(app: web.Application, catalogue: Models, default: str) -> None:
    """Serve the two."""

    async def listed(_: web.Request) -> web.Response:
        models = catalogue.describe()
        data = [_model(model) for model in models]
        return web.json_response(
            {"object": "list", "data": data, "models": models, "default": default}
        )

    async def one(request: web.Request) -> web.Response:
        name = request.match_info["id"]
        for model in catalogue.describe():
            if model["name"] == name:
                return web.json_response(_model(model))
        raise UnknownModel

    app.router.add_get("/v1/models", listed)
    app.router.add_get("/v1/models/{id:.+}", one)


def _model(model: dict[str, Any]) -> dict[str, Any]:
    # A catalogue does not know when its models were made; the field has to be there.
    return {"id": model["name"], "object": "model", "created": 0, "owned_by": OWNER}
