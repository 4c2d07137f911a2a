"""Closes what nbgrader's formgrader leaves open to anybody who hands something in.

Its tables put names into HTML as they are; it serves a submission's files as pages of the server's own; and an address,
which a picture can ask for, makes it run the nbgrader_config.py of any folder, a submission's too.
"""

from __future__ import annotations

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from nbgrader.server_extensions.formgrader.handlers import SubmissionFilesHandler
from tornado.web import Application, RedirectHandler


class SubmittedFile(SubmissionFilesHandler):
    """A file beside a submitted notebook: looked at by itself, in a page that may do nothing."""

    @property
    def content_security_policy(self) -> str:
        return "default-src 'none'; sandbox"


def close(server: ServerApp) -> None:
    """Called by nbgrader_config.py, which the formgrader reads before it adds its own addresses: so these win."""
    settings = server.web_app.settings
    if "omg_formgrader" in settings:  # it is read again with each page
        return
    settings["omg_formgrader"] = True
    start = {"url": url_path_join(settings["base_url"], "formgrader/manage_assignments"), "permanent": False}
    server.web_app.add_handlers(".*$", [
        (url_path_join(settings["base_url"], "formgrader/?"), RedirectHandler, start),
        (url_path_join(settings["base_url"], r"formgrader/submissions/([^/]+/.*\.[^/]*)"), SubmittedFile),
    ])  # fmt: skip
    server.io_loop.add_callback(escape_names, server.web_app)


def escape_names(application: Application) -> None:
    """Once the formgrader is there: the templates of its tables escape what they are given."""
    application.settings["nbgrader_jinja2_env"].autoescape = True
