# make demo   train a digit classifier in a fresh environment
# make test   run the tests       make lint   run the linters
# make dev    contributor's environment: Python files used in place; `make native` rebuilds the C++
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEPENDENCIES := tools/dependencies.py

.PHONY: demo test lint dev native clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

demo: $(BIN)/python
	$(BIN)/python -m pip install -q '.[demo]'
	$(BIN)/python examples/digits.py

test: $(BIN)/python dev
	$(BIN)/python -m pytest -n 2 -q tests

lint: $(BIN)/python dev
	$(BIN)/ruff check src tests
	$(BIN)/mypy src/arrax/core src/arrax/transforms
	$(BIN)/lint-imports

# Works offline once the dependencies are there.
dev: $(BIN)/python
	$(BIN)/python $(DEPENDENCIES) --missing test build > $(VENV)/missing.txt
	test ! -s $(VENV)/missing.txt || $(BIN)/python -m pip install -q -r $(VENV)/missing.txt
	echo "$(CURDIR)/src" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/arrax-dev.pth"
	$(MAKE) --no-print-directory native

# The rename makes the exchange atomic: running processes keep the old module mapped.
native: $(BIN)/python
	cmake -S . -B build/native -DCMAKE_BUILD_TYPE=Release -DPython_EXECUTABLE="$(CURDIR)/$(BIN)/python" > /dev/null
	cmake --build build/native --parallel 2
	for module in build/native/_native*.so; do \
	  cp $$module src/arrax/$$(basename $$module).tmp && \
	  mv -f src/arrax/$$(basename $$module).tmp src/arrax/$$(basename $$module); done

clean:
	rm -rf build dist src/arrax/_native*.so
