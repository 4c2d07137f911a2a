"""nbgrader's settings for this course. GUIDE.md says how to use them."""

import os
import sys
from pathlib import Path

from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    LimitOutput,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
)

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
# nbgrader calls the program alembic, which lies beside this Python, also where the environment is not activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

c = get_config()  # noqa: F821 -- traitlets puts it there
c.CourseDirectory.course_id = "omg"
c.CourseDirectory.root = str(HERE)
# nbgrader never walks through what students send: grader/submissions.py reads it, and these are its copies.
c.CourseDirectory.submitted_directory = ".grading/read"
c.Autograde.pre_convert_hook = "grader.records.begin"
c.Autograde.post_convert_hook = "grader.records.end"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError  # put your code in place of this line"}
c.ClearSolutions.text_stub = "*Write here.*"

# No kernel runs a submission: GradeAnswers asks a fresh process in its place. A student's own outputs stay, because a
# teacher marks plots by hand; those of the test cells are overwritten.
c.Autograde.sanitize_preprocessors = [
    "grader.preprocessor.ReleasedCells",
    OverwriteKernelspec,
    OverwriteCells,
    CheckCellMetadata,
]
c.Autograde.autograde_preprocessors = [
    "grader.preprocessor.GradeAnswers",
    ClearMetadataPreprocessor,
    LimitOutput,
    SaveAutoGrades,
    AssignLatePenalties,
    CheckCellMetadata,
]
