"""The graded assignments: what a case asks, and the check in the notebook."""
