"""Mother Factory gateway: mirrors equipment, pushes recipes, exports metrics."""
