"""The NAS share: mount guard, ignore rules, walk, hash, and bringing the tables in line with the disk. Reads the
share, never writes to it."""
