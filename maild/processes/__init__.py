"""The processes of one daemon: a door, workers, a post office; the supervisor in `daemon` starts and ends them."""
