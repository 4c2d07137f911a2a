"""Close what nbgrader's formgrader leaves open to anyone who hands in work.

Its tables put names into HTML unescaped; it serves a submission's files as pages of the server itself; and one address,
which a picture can request, makes it run the nbgrader_config.py of any folder, including a submission's.
"""

from __future__ import annotations

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from nbgrader.server_extensions.formgrader.handlers import SubmissionFilesHandler
from tornado.web import Application, RedirectHandler


class SubmittedFile(SubmissionFilesHandler):
    """Serves a file next to a submitted notebook in a sandboxed page."""

    @property
    def content_security_policy(self) -> str:
        return "default-src 'none'; sandbox"


def close(server: ServerApp) -> None:
    """Add safe handlers. nbgrader_config.py calls this before the formgrader adds its own addresses, so these win."""
    settings = server.web_app.settings
    if "omg_formgrader" in settings:  # the configuration is read again with each page
        return
    settings["omg_formgrader"] = True
    start = {"url": url_path_join(settings["base_url"], "formgrader/manage_assignments"), "permanent": False}
    server.web_app.add_handlers(".*$", [
        (url_path_join(settings["base_url"], "formgrader/?"), RedirectHandler, start),
        (url_path_join(settings["base_url"], r"formgrader/submissions/([^/]+/.*\.[^/]*)"), SubmittedFile),
    ])  # fmt: skip
    server.io_loop.add_callback(escape_names, server.web_app)


def escape_names(application: Application) -> None:
    """Make the formgrader's table templates escape their values. Call it once the formgrader is loaded."""
    application.settings["nbgrader_jinja2_env"].autoescape = True
