"""`ibhelm mcp`: what the office knows, for an assistant, by the Model Context Protocol (docs/mcp.md). It only reads."""
