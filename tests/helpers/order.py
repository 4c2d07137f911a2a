"""The order in which files of tests are run: see tests/conftest.py."""

FIRST = (
    "browser/test_course.py", "paper/test_paper.py", "browser/test_flow_panel.py", "envs/test_outside.py",
    "assignments/test_grading.py", "experiment/test_sweep.py", "assignments/test_intake.py", "browser/test_life.py",
    "envs/test_compiled.py", "browser/test_markup.py", "notebooks/test_notebooks.py", "test_interruptions.py",
    "assignments/test_agreement.py", "distributed/test_ray_runner.py", "browser/test_flow_motion.py",
    "browser/test_installed.py", "assignments/test_chinese.py", "distributed/test_processes.py",
    "assignments/test_killed.py", "browser/test_chinese.py",
)  # fmt: skip
"""The longest first: files of more than a minute and a half in a full run, as `--durations=0` tells."""
