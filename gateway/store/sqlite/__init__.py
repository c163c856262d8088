"""SQLite: one file for the twin, one for the ledger, each with one writer, in WAL mode with full durability."""
