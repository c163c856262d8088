"""Equipment → twin: supervision of endpoints, subscription planning, ingest, and the loss account."""
