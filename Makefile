# `make lab` and `make test` do everything, from a fresh machine on. Written for make 3.81 (macOS) and later.

# The first of these that runs and is new enough. `make lab PYTHON=...` names another.
NEW_ENOUGH = import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)

INSTALL = .venv/bin/python -m pip install --disable-pip-version-check
EVERYTHING = .[envs,teacher,ray,test]
# torch first and on its own: it is most of what is downloaded, and the lines in between say how far it has got.
define install
@echo "Installing torch, the largest part: this takes some minutes ..."
@$(INSTALL) --quiet -c constraints.txt torch
@echo "Installing JupyterLab, the library and what they need ..."
@$(INSTALL) --quiet -c constraints.txt -e "$(1)"
endef

# Stamps: what is installed stays installed until pyproject.toml or constraints.txt change.
BASE = .venv/base.stamp
FULL = .venv/full.stamp
TEACHER = .venv/teacher.stamp

.PHONY: help lab setup quick test lint results smacv2 assignments student-copy grade clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

lab: $(BASE)  ## install the course and open it in JupyterLab
	@echo "Opening JupyterLab in your browser; Ctrl-C here ends it."
	@.venv/bin/python -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) \
		--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb

setup: $(FULL)  ## install everything that the tests need as well

quick: $(FULL)  ## for developers, all day: style, types, and the tests that need no browser, notebook or cluster
	.venv/bin/python -m ruff check --quiet
	.venv/bin/python -m mypy
	.venv/bin/python -m pytest -n 2 --dist loadfile -q -m "not browser and not notebook and not slow"

test: $(FULL)  ## run all tests
	@[ -n "$$OMG_CHROMIUM" ] || command -v chromium >/dev/null || \
		echo "Chromium was not found, so the browser tests are skipped: install it, or name it in OMG_CHROMIUM."
	.venv/bin/python -m ruff check --quiet
	.venv/bin/python -m pytest -n 2 --dist loadfile

lint: $(FULL)  ## check the code's style
	.venv/bin/python -m ruff check

results: $(FULL)  ## remake pools, priors, tables and figures of the paper's experiment: hours; goes on where it was
	.venv/bin/python -m paper

smacv2: $(BASE)  ## install SMACv2 (environment.yml pins it) and say what StarCraft II still lacks
	$(INSTALL) "$(shell sed -n 's/^ *- \(smacv2 @ .*\)/\1/p' environment.yml)"
	.venv/bin/python -m omg_lib doctor

GRADER = cd notebooks/assignments && PYTHONPATH="$(CURDIR)" ../../.venv/bin/python -m grader

assignments: $(TEACHER)  ## for teachers: make the students' versions of the assignments (notebooks/assignments/release/)
	$(GRADER) assignments

student-copy: assignments  ## for teachers: make the repository to hand out, without solutions (build/student-copy/)
	$(GRADER) student-copy

grade: $(TEACHER)  ## for teachers: grade submitted/, write feedback/ and grades.csv; MORE=--force grades all again
	$(GRADER) grade $(MORE)

clean:  ## remove .venv/ and all caches
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/pyvenv.cfg:
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' 2>/dev/null || { echo \
		"OMG Lab needs Python 3.11 or newer: install it, or name it with PYTHON=/path/to/python3.12." >&2; exit 1; }
	@echo "Making .venv/, which holds all that is installed ..."
	@"$(PYTHON)" -m venv .venv || { rm -rf .venv; exit 1; }

# JupyterLab asks at its first start whether it may show news; this says no, for this .venv/ only.
NEWS = .venv/share/jupyter/lab/settings/overrides.json
$(NEWS): | .venv/pyvenv.cfg
	@mkdir -p $(@D)
	@echo '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}' > $@

$(BASE): pyproject.toml constraints.txt | .venv/pyvenv.cfg $(NEWS)
	$(call install,.)
	@touch $@

$(FULL): pyproject.toml constraints.txt | .venv/pyvenv.cfg $(NEWS)
	$(call install,$(EVERYTHING))
	@touch $(BASE) $(TEACHER) $@

$(TEACHER): pyproject.toml constraints.txt | .venv/pyvenv.cfg $(NEWS)
	$(call install,.[teacher])
	@touch $(BASE) $@
