"""The teacher's guide quotes the grader's own sentences, and names files and options that exist."""

import re

from grader.protection import platforms

from tests.helpers.places import COURSE

GUIDE = (COURSE / "GUIDE.md").read_text(encoding="utf-8")


def test_the_guide_says_of_each_system_what_the_grader_says():
    table = GUIDE[GUIDE.index("| system | what protects you |") :].split("\n\n")[0].splitlines()[2:]
    assert dict(line.strip("| ").split(" | ") for line in table) == platforms()


def test_the_guide_names_files_and_options_that_exist():
    files = set(re.findall(r"`(grader/[\w.]+)`", GUIDE))
    files.remove("grader/aN.py")  # for an assignment that is to come
    assert len(files) > 2 and [name for name in sorted(files) if not (COURSE / name).is_file()] == []
    preprocessor = (COURSE / "grader" / "preprocessor.py").read_text(encoding="utf-8")
    options = set(re.findall(r"GradeAnswers\.(\w+)", GUIDE))
    assert {"python", "seconds", "seed"} <= options
    assert all(re.search(rf"^    {name} = ", preprocessor, re.MULTILINE) for name in options)
