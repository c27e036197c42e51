"""Working time, targets and deadlines: pure arithmetic."""
