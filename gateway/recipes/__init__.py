"""Mother → equipment: recipes and their overlays, rendered for one line, and pushed into it."""
