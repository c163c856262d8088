"""Measurements, side by side in one run. They assert nothing: machines are noisy, ratios are what counts."""
