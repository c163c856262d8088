"""What exists: places, equipment classes, values, and the ports to the outside. Pure: standard library and NumPy."""
