"""The paper's experiment on our battle: pools, priors, every method with seen and unseen teammates, tables and figures.
`python -m paper` remakes all of it; see `plan` for what is run.
"""
