"""What assets, jobs and sensors share: how they get their settings, which partitions there are, and what a failure
means to Dagster.
"""
