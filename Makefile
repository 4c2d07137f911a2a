# `make lab` and `make test` do everything, starting from a fresh machine. Written for make 3.81 (macOS) and later.

# Uses the first of these that runs and is new enough. To choose another: `make lab PYTHON=...`.
NEW_ENOUGH = import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)

INSTALL = .venv/bin/python -m pip install --disable-pip-version-check
EVERYTHING = .[lab,fast,envs,teacher,ray,tensorboard,book,test]
# Install torch first and separately: it is most of the download, and the lines in between show progress.
define install
@echo "Installing torch, the largest part: this takes a few minutes ..."
@$(INSTALL) --quiet -c constraints.txt torch
@echo "Installing JupyterLab, the library and their dependencies ..."
@$(INSTALL) --quiet -c constraints.txt -e "$(1)"
endef

# What takes a quarter of a minute, and nothing waits for: until then numpy plays the battle.
COMPILE = .venv/bin/python -m omg_lib compile

comma = ,

# Stamps: nothing is reinstalled until pyproject.toml or constraints.txt changes.
BASE = .venv/base.stamp
FULL = .venv/full.stamp
TEACHER = .venv/teacher.stamp
COMPILED = .venv/compiled.stamp

# Without compiled code on disk, every test process compiles the library and the tests again: 20 seconds each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help lab setup quick test lint book film tour results notebooks-zh smacv2 assignments student-copy grade clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

lab: $(BASE)  ## install the course and open it in JupyterLab
	@echo "Opening JupyterLab in your browser; press Ctrl-C here to stop it."
	@.venv/bin/python -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) \
		--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb

setup: $(COMPILED)  ## also install everything that the tests need

# A file stays in one process, which makes what its tests share once; tests/conftest.py sets the order.
PYTEST = .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

quick: $(COMPILED)  ## the fast developer loop: style, types, and tests without browser, notebooks or cluster
	.venv/bin/python -m ruff check --quiet
	.venv/bin/python -m mypy
	$(PYTEST) -q -m "not browser and not notebook and not slow"

test: $(COMPILED)  ## run all tests
	@[ -n "$$OMG_CHROMIUM" ] || command -v chromium >/dev/null || \
		echo "Chromium was not found: skipping the browser tests. Install it, or set OMG_CHROMIUM to its path."
	.venv/bin/python -m ruff check --quiet
	$(PYTEST) --durations=30

lint: $(FULL)  ## check the code's style
	.venv/bin/python -m ruff check

book: $(FULL)  ## run the course and make a static site of it (build/book/index.html)
	.venv/bin/python -m deploy.book

film: $(FULL)  ## film one update of a real run again (notebooks/images/flow.gif, the picture of README)
	OMG_SAVE_SCREENSHOT=1 .venv/bin/python -m pytest -q -n 0 tests/browser/test_flow_film.py

tour: $(FULL)  ## film the tour of notebooks 00 and 01 again (notebooks/images/tour.webp)
	OMG_SAVE_SCREENSHOT=1 .venv/bin/python -m pytest -q -n 0 -s tests/browser/test_tour.py

results: $(COMPILED)  ## remake pools, priors, tables and figures of the paper's experiment: takes hours, resumes if interrupted
	.venv/bin/python -m paper

notebooks-zh: $(FULL)  ## for translators: remake notebooks/zh/ and the catalogues from their texts, and check them
	.venv/bin/python -m deploy.editions messages
	.venv/bin/python -m deploy.editions make
	.venv/bin/python -m deploy.editions check

smacv2: $(BASE)  ## install SMACv2 (pinned in environment.yml) and show what StarCraft II still needs
	$(INSTALL) "$(shell sed -n 's/^ *OMG_SMACV2: *//p' environment.yml)"
	.venv/bin/python -m omg_lib doctor

GRADER = cd notebooks/assignments && PYTHONPATH="$(CURDIR)" ../../.venv/bin/python -m grader

assignments: $(TEACHER)  ## for teachers: make the students' versions of the assignments (notebooks/assignments/release/)
	$(GRADER) assignments

student-copy: assignments  ## for teachers: make the copy to hand out, without solutions (build/student-copy/)
	$(GRADER) student-copy

grade: $(TEACHER)  ## for teachers: grade submitted/, write feedback/ and grades.csv; MORE=--force regrades everything
	$(GRADER) grade $(MORE)

clean:  ## remove .venv/ and all caches
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/pyvenv.cfg:
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' 2>/dev/null || { echo \
		"OMG Lab needs Python 3.11 or newer: install it, or choose it with PYTHON=/path/to/python3.12." >&2; exit 1; }
	@echo "Creating .venv/, where everything is installed ..."
	@"$(PYTHON)" -m venv .venv || { rm -rf .venv; exit 1; }

# At its first start, JupyterLab asks whether it may show news; this answers no, for this .venv/ only.
NEWS = .venv/share/jupyter/lab/settings/overrides.json
$(NEWS): | .venv/pyvenv.cfg
	@mkdir -p $(@D)
	@echo '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}' > $@

$(BASE): pyproject.toml constraints.txt | .venv/pyvenv.cfg $(NEWS)
	$(call install,.[lab$(comma)fast])
	@nice $(COMPILE) >/dev/null 2>&1 &
	@touch $@

$(FULL): pyproject.toml constraints.txt | .venv/pyvenv.cfg $(NEWS)
	$(call install,$(EVERYTHING))
	@touch $(BASE) $(TEACHER) $@

# After a change of these files nothing compiled is used: what trains takes half as long again.
$(COMPILED): $(FULL) $(wildcard $(addprefix omg_lib/,envs/kernels.py envs/rules.py envs/styles.py gates.py))
	@$(COMPILE) || true
	@touch $@

$(TEACHER): pyproject.toml constraints.txt | .venv/pyvenv.cfg $(NEWS)
	$(call install,.[lab$(comma)fast$(comma)teacher])
	@$(COMPILE) || true
	@touch $(BASE) $@
