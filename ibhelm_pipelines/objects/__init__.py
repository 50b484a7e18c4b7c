"""The S3 store: originals and previews under their content hash, verified by the server as they arrive."""
