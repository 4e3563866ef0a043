"""Where conversations are kept: on disk (SQLite) for whoever wants that, else in memory."""
