"""What only the course uses: puzzles and small experiments, kept out of the cells for tests to cover."""
