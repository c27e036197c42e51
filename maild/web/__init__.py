"""The few pages that maild serves: health, metrics, surveys."""
