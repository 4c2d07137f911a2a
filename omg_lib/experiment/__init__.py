"""The paper's experiment: train a pool of teammates, evaluate with unseen ones, measure, sweep."""
