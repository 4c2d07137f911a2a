"""The course as `omg-lab` provides it: copied into a folder that the student owns, with a JupyterLab to open it."""

from omg_lib.course.jupyter import ready
from omg_lib.course.laying import course_folder, lay
