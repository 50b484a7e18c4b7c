"""The embedded services of one machine (Postgres, S3, Dagster) and the supervisor behind `ibhelm up`.

Everything lives under the state folder (`.ibhelm/`), listens on 127.0.0.1 only, survives kill -9, and starts again on
the same data.
"""
