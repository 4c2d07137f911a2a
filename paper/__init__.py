"""The paper's experiment on our battle: pools, priors, every method against seen and unseen teammates, its tables and
figures. `python -m paper` remakes all of it; see `plan` for what is run.
"""
