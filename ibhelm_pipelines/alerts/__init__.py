"""What the admin is told without having asked: one alert per trouble, from its beginning to its end."""
