"""What the MCP server is made of beside its tools."""
