"""What every route shares: the services, and moments read from a query."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request

from gateway.api.problems import Problem
from gateway.api.services import Services
from gateway.api.times import parse_moment
from gateway.api.tokens import Identity


def services_of(request: Request) -> Services:
    """The services the app was made with."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


Ask = Annotated[Services, Depends(services_of)]


def moment(text: str, field: str, services: Services) -> int:
    """The moment in query parameter `field` (ns).

    Raises:
        Problem: 422, it is no moment.
    """
    try:
        return parse_moment(text, services.clock.now())
    except ValueError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{field}: {error}") from error


async def masked_paths(services: Services, pattern: str, who: Identity) -> frozenset[str]:
    """Paths below `pattern` whose values `who` may not see."""
    if who.acts:
        return frozenset()
    return frozenset(record.path for record in await services.twin.tags(pattern) if record.masked)
