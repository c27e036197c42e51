"""Commands: each module one group; they call and print, and decide nothing."""
