"""The HTTP application: routes, the gate before `/api/v1`, and one shape for every error."""

from fastapi import FastAPI

from gateway.api import problems
from gateway.api.body_limit import BodyLimit
from gateway.api.gate import Gate
from gateway.api.ops import control, diagnosis, health, plant, recipes, twin
from gateway.api.services import Services

#: A recipe document with all its overlays is far smaller.
LARGEST_BODY = 1024 * 1024


def create_app(services: Services) -> FastAPI:
    """The application over `services`. It owns nothing: start and stop belong to the runtime."""
    app = FastAPI(
        title="Mother Factory gateway",
        version=services.version,
        openapi_url="/api/v1/openapi.json",  # below the gate, like all of /api/v1
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Nothing of a request leaves the process but what our own log and metrics say.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False},
    )
    app.state.services = services
    app.add_middleware(BodyLimit, limit=LARGEST_BODY)
    app.add_middleware(Gate, tokens=services.tokens)  # added last, so it is asked first
    problems.install(app)
    for part in (health, plant, twin, diagnosis, recipes, control):
        app.include_router(part.router)
    return app
