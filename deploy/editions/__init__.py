"""Editions in other languages: notebooks, made from the English ones and a text for each of their cells.

`python -m deploy.editions make` writes notebooks/zh/; `messages` brings the library's
catalogues up to date and `check` names everything that is missing, old or inconsistent.
"""
