# make demo    try the server out; needs Python 3.11 or later (with its venv, on Debian: python3-venv), and nothing else;
#              ARGS="--port 5322", ARGS=--help and so on
# make test    lint, types and tests
# make quick   the same, but only the tests that are about what has been changed
# make browser what people see and do in a real browser (Chromium); pictures of it in build/pictures
# make soak    the tests that could go on for ever, for about half an hour; says how much they went through
# make bench   measure it beside other servers, for half an hour or more; ARGS="--smoke", ARGS=--help and so on
# make compiled  build/compiled: the same sources, with the modules that cost most compiled beside them
# make test-compiled  in that folder, the tests that are about these modules; COMPILED_TESTS=tests for all
# make wheel   dist/xserv-*.whl, with compiled modules if they can be compiled here
# make pyz     dist/xserv.pyz: the whole server in one file
# make docs    docs/configuration.md, made from the settings
# make lock    bring the lock files up to date with setup.py

PYTHON ?= python3
VENV ?= .venv
# One more than there are cores: tests wait for other programs, and for disks.
TEST_PROCESSES ?= $(shell expr $$(nproc) + 1)
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SOURCES := setup.py assembly.py xserv.py onefile/build.py onefile/start.py xmpp/data/confusables.txt \
	$(shell find $(wildcard cli xmpp handlers db web) -name '*.py' -o -name '*.html' -o -name '*.css' -o -name '*.toml' -o -name '*.js')

# Which interpreters and systems dist/xserv.pyz is for: compiled packages come once for each.
PYZ_PYTHONS := 3.11 3.12 3.13 3.14
PYZ_PLATFORMS := manylinux_2_28_$(shell uname -m) manylinux2014_$(shell uname -m)

# What runs through the compiled modules, and ends within a few minutes.
COMPILED_TESTS ?= $(patsubst %,tests/test_%.py, acknowledgements archive blocking carbons compiled \
	components_privileges copies elementfeed federation handling invitations_preauth mixed_streams nameguard offline outbox \
	presence redelivery rooms_talk session stanza stream_management streams streams_content streams_tls transport \
	websocket wire xmlfeed xmlfeed_namespaces)
BESIDE_PACKAGES := .ci bench docs onefile spec tests setup.py pyproject.toml Makefile CHANGELOG.md CONTRIBUTING.md LICENSE \
	README.md requirements.lock requirements-dev.lock

.PHONY: demo test browser quick soak bench lint types compiled test-compiled wheel pyz docs lock clean

demo: $(VENV)/runs
	$(BIN)/python -m xserv demo $(strip $(ARGS))

test: lint types
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile

browser: $(VENV)/tests
	$(BIN)/python -m pytest tests/browser

quick: lint types
	$(BIN)/python -m tests.harness.quick

soak: $(VENV)/tests
	SOAK=1 $(BIN)/python -m pytest -rP tests/test_every_message_arrives.py tests/test_rooms_course.py \
		tests/test_rooms_bad_input.py tests/test_archive_crash.py tests/test_federation_course.py

bench: $(VENV)/tests
	$(BIN)/python -m bench $(ARGS)

lint: $(VENV)/tests
	$(BIN)/ruff check .

types: $(VENV)/tests
	$(BIN)/mypy

compiled: build/compiled/made

test-compiled: build/compiled/made
	cd build/compiled && XSERV_TESTED=compiled $(abspath $(BIN))/python -m pytest -p no:cacheprovider \
		--numprocesses $(TEST_PROCESSES) --dist loadfile $(COMPILED_TESTS)

wheel: $(VENV)/tests
	XSERV_COMPILE=1 $(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

pyz: dist/xserv.pyz

docs: $(VENV)/runs
	$(BIN)/python -m xserv config documentation > docs/configuration.md

lock: $(VENV)/tests
	$(PIP_INSTALL) pip-tools
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile $(LOCKING) --output-file requirements.lock setup.py
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile $(LOCKING) --allow-unsafe --extra test --extra bench \
		--output-file requirements-dev.lock setup.py

# What is written down is the same wherever it was made: no addresses of this machine's package index.
LOCKING := --quiet --upgrade --strip-extras --generate-hashes \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

clean:
	rm -rf build dist $(VENV)

# An environment whose pip does not run was left half made by a first try that failed, or is another Python's: it is made
# anew, with all that is in it.
ifeq ($(shell $(BIN)/python -m pip --version 2>/dev/null),)
.PHONY: $(BIN)/python $(VENV)/runs $(VENV)/tests
endif

NO_VENV := Python cannot make an environment (venv) here. On Debian and Ubuntu: apt install python3-venv. Then try again.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "xserv needs Python 3.11 or later: make PYTHON=...")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo '$(NO_VENV)' >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { echo '$(NO_VENV)' >&2; exit 1; }

$(VENV)/runs: requirements.lock | $(BIN)/python
	$(PIP_INSTALL) --require-hashes --requirement requirements.lock
	touch $@

$(VENV)/tests: requirements-dev.lock | $(BIN)/python
	$(PIP_INSTALL) --require-hashes --requirement requirements-dev.lock
	touch $@

# Never in the folder of the sources: what is compiled there would go on standing for what is written there later.
build/compiled/made: $(SOURCES) pyproject.toml $(shell find $(wildcard tests bench spec docs) -type f -not -name '*.pyc') \
		| $(VENV)/tests
	rm -rf build/compiled
	XSERV_COMPILE=required $(BIN)/python setup.py --quiet build --build-base build/compiling --build-lib build/compiled
	cp -R $(wildcard $(BESIDE_PACKAGES)) build/compiled
	ln -s $(abspath $(VENV)) build/compiled/.venv
	touch $@

# Compiled modules carry the interpreter's version in their names, so those of several lie side by side.
build/packages: requirements.lock | $(BIN)/python
	rm -rf build/packages
	for version in $(PYZ_PYTHONS); do \
		$(PIP_INSTALL) --require-hashes --no-deps --only-binary :all: --python-version $$version \
			$(addprefix --platform ,$(PYZ_PLATFORMS)) --target build/$$version --requirement requirements.lock \
		&& mkdir -p $@ && cp -R build/$$version/. $@ && rm -rf build/$$version || exit 1; \
	done
	rm -rf $@/bin

# Whether it is compiled is seen in no file's time.
ifneq ($(XSERV_COMPILE),$(shell cat build/pyz-compiled 2>/dev/null))
.PHONY: dist/xserv.pyz
endif

dist/xserv.pyz: $(SOURCES) pyproject.toml build/packages $(VENV)/tests
	rm -rf build/site && cp -R build/packages build/site
	$(PIP_INSTALL) --no-deps --no-build-isolation --target build/site .
	rm -rf build/site/bin
	mkdir -p dist
	$(BIN)/python onefile/build.py --site-packages build/site --compressed --reproducible \
		--python '/usr/bin/env python3' --entry-point xserv:main --output-file $@
	echo '$(XSERV_COMPILE)' > build/pyz-compiled
