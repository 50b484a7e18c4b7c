"""What the office keeps at its vendors, mirrored: a layer for HTTP, and one package per vendor."""
