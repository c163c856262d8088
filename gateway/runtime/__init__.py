"""The composition root: reads settings, builds everything, and alone knows drivers and capabilities both."""
