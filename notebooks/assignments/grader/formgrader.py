"""A server extension that closes what nbgrader's formgrader leaves open to whoever hands something in.

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


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "grader.formgrader"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Called before nbgrader's own extension, by the order of names, so these addresses win over nbgrader's."""
    base = server.web_app.settings["base_url"]
    start = {"url": url_path_join(base, "formgrader/manage_assignments"), "permanent": False}
    server.web_app.add_handlers(".*$", [
        (url_path_join(base, "formgrader/?"), RedirectHandler, start),
        (url_path_join(base, r"formgrader/submissions/([^/]+/.*\.[^/]*)"), SubmittedFile),
    ])  # fmt: skip
    server.io_loop.add_callback(escape_names, server.web_app)


def escape_names(application: Application) -> None:
    """Once all extensions are there: the templates of the tables escape what they are given."""
    application.settings["nbgrader_jinja2_env"].autoescape = True
