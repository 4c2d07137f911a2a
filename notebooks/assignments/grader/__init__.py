"""The grader of the assignments: for teachers only, so it is in no student's copy.

`child` runs submitted code, `process` starts it and reads what it answers, `tasks` turns answers into points, `a1` to
`a4` hold the hidden tests, `preprocessor` is nbgrader's door to all this, `__main__` what `make` calls.
"""
