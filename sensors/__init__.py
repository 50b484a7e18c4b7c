"""What starts work by itself: schedules, and sensors that keep Dagster in step with the world."""
