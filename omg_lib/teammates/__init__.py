"""The other seats: pools, players, and the subgoal priors trained on their games."""
