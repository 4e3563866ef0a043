"""What the local speech services have in common: who may ask, how much at once, what is told, and in which shape."""
