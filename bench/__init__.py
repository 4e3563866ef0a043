"""The benchmark: what a person at the virtual sound card notices, next to what was promised. ``python -m bench``."""
