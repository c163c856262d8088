"""What the fake plant refuses, with a text for the person who asked."""


class FakePlcRefused(Exception):
    """Base of what cannot be done as asked; the text says why and how to mend it."""


class EndpointRefused(FakePlcRefused):
    """An endpoint cannot start as configured, or is down."""


class FaultRefused(FakePlcRefused):
    """A fault cannot be done as asked."""
