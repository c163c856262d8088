"""Routes for those who run the plant: health, equipment, the twin, diagnosis, recipes, control."""
