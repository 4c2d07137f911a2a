"""nbgrader's settings for this course. GUIDE.md says how to use them."""

import os
import sys
from pathlib import Path

from nbconvert.preprocessors import ClearMetadataPreprocessor, CSSHTMLHeaderPreprocessor
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    GetGrades,
    LimitOutput,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
)

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
# nbgrader calls the program alembic, which is next to this Python, even if the environment is not activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

c = get_config()  # noqa: F821 -- traitlets puts it there
c.CourseDirectory.course_id = "omg"
c.CourseDirectory.root = str(HERE)
# nbgrader never reads what students send: grader/submissions.py reads it, and these are its copies.
c.CourseDirectory.submitted_directory = ".grading/read"
c.Autograde.pre_convert_hook = "grader.records.begin"
c.Autograde.post_convert_hook = "grader.records.end"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError  # replace this line with your code"}
c.ClearSolutions.text_stub = "*Write here.*"

# No kernel runs a submission: GradeAnswers asks a separate process instead. A student's own outputs stay, because a
# teacher marks plots by hand; those of the test cells are overwritten.
c.Autograde.sanitize_preprocessors = [
    "grader.preprocessor.ReleasedCells",
    "grader.markup.Harmless",
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

# Submissions are made harmless before they are stored, and again where they are shown: in the feedback, after a
# teacher's comments are added, and in the formgrader, which may find older ones. In addition, grader/page.html.j2
# forbids both pages to run or load anything.
c.GenerateFeedback.preprocessors = [GetGrades, "grader.markup.Harmless", CSSHTMLHeaderPreprocessor]
c.HTMLExporter.preprocessors = ["grader.markup.Harmless"]
c.HTMLExporter.filters = {"highlight_code": "grader.markup.coloured"}
c.HTMLExporter.template_file = str(HERE / "grader" / "page.html.j2")

# Only the formgrader reads this file inside a server.
ServerApp = getattr(sys.modules.get("jupyter_server.serverapp"), "ServerApp", None)
if ServerApp and isinstance(getattr(ServerApp, "_instance", None), ServerApp):
    from grader.formgrader import close

    close(ServerApp._instance)
