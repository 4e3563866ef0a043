"""Voice for any AI agent: an MCP server and command line that speak, listen, and never lose what was said."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("voicemode")
