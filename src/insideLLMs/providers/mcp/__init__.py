"""Tools of MCP servers as models: one server's connection, several servers together, what they answer."""
