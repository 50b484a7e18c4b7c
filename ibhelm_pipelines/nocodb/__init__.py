"""NocoDB, the office's working surface: its base, German labels and views are made over its HTTP API.

What a person changed in NocoDB stays: everything that the set-up writes it notes down (ops.nocodb_made), and it only
replaces what still is as it wrote it.
"""
