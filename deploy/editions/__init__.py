"""Editions of the notebooks in other languages, made from the English ones and a text for each of their cells.

`python -m deploy.editions make` writes notebooks/zh/; `check` names everything that is missing, old or inconsistent.
"""
