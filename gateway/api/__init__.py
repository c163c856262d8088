"""The HTTP API of the daemon: health, metrics, and `/api/v1`. Start at `app.create_app`."""
