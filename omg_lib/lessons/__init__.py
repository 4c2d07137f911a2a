"""What only the course uses: puzzles and small experiments, kept here instead of in cells so that tests cover them."""
