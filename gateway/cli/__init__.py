"""The command line: `gateway …`. Commands ask a running daemon over HTTP, or work on files."""

from gateway.cli.app import main

__all__ = ["main"]
