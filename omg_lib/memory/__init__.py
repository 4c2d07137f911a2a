"""Memory predicted before anything runs: what a configuration needs, and the peak of one update."""
