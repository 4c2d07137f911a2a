"""What only the course uses: puzzles and small experiments, out of the cells, so that tests cover them."""
