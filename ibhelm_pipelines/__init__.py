"""IBHelm Pipelines: what the platform knows, in plain Python that imports no Dagster (only `definitions` does)."""
