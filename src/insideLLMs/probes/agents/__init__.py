"""A model at work with tools: those that an example gives, or those of an MCP server."""
