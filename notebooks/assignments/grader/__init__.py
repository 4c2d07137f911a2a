"""The grader of the assignments. It is for teachers only, so the students' copy leaves it out.

`child` runs submitted code, `process` starts it and reads its answers, `tasks` turns answers into points, `a1` to `a4`
hold the hidden tests, `preprocessor` connects all this to nbgrader, and `make` calls `__main__`.
"""
