"""What only the course uses: puzzles and small experiments, kept here rather than in cells, so that tests cover them."""
