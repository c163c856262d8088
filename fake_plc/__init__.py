"""Emulated equipment: OPC UA servers of a battery plant. Stands alone: imports nothing of the gateway."""
