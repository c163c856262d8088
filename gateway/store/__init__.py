"""Where the twin and the ledger are kept. `sqlite` is the embedded implementation of `gateway.plant.ports`."""
