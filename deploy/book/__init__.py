"""The course as a static site: `python -m deploy.book`."""
