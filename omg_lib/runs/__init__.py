"""A run on disk: its folder, its state, its metrics, and the loop that follows it."""
