"""What happens by itself: APScheduler ticks, and the sweeps it ticks."""
