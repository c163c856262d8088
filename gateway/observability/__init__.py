"""Seen from outside: logs, Prometheus metrics, the service manager's notifications."""
