"""Voice for any AI agent: an MCP server and command line that speak, listen, and never lose what was said."""

__all__ = ["__version__"]

__version__: str


def __getattr__(name: str) -> str:
    """Read the version when it is asked for: importlib.metadata takes 40 ms, which each worker process would pay."""
    if name == "__version__":
        from importlib.metadata import version

        return version("voicemode")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
