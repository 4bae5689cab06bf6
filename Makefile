# make demo   train a digit classifier, in a fresh environment if there is none
# make test   run the tests       make lint   run the linters      make bench   time it
# make parity compare with JAX, in an environment of its own
# make ecosystem   libraries that are written for JAX, on arrax, in an environment of their own
# make lower-bounds   test with the oldest dependencies that are allowed
# make fuzz   random programs, computed in several ways (MINUTES=2 SEED=0 WORKERS=2 WAYS=eager,passes,jit,check PROGRAMS=)
# make check   the engine's tests on programs that check every access
# make sanitize   the C++ runtime's tests under AddressSanitizer and UndefinedBehaviorSanitizer
# make dev    the contributor's environment: Python files used in place; `make native` rebuilds C++
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CMAKE = $(shell command -v cmake || echo $(BIN)/cmake)
SITE = $(shell $(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
PTH = $(SITE)/arrax-dev.pth

PARITY := .venv-parity
LOWEST := .venv-lowest
ECOSYSTEM := .venv-ecosystem

.PHONY: demo test parity ecosystem libraries lower-bounds lint fuzz bench dev native clean sanitize check

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

demo: $(BIN)/python
	@if test -e $(PTH); then \
	  $(BIN)/python tools/dependencies.py --missing demo > $(VENV)/missing.txt; \
	  test ! -s $(VENV)/missing.txt || $(BIN)/python -m pip install -q -r $(VENV)/missing.txt; \
	else $(BIN)/python -m pip install -q '.[demo]'; fi
	$(BIN)/python examples/digits.py

test: dev
	$(BIN)/python -m pytest -q -n 2 tests

# Compares with the JAX release whose behaviour arrax has, in an environment beside the other.
parity: dev
	@test -e $(PARITY)/bin/python || $(BIN)/python -m venv $(PARITY)
	@$(PARITY)/bin/python tools/dependencies.py --missing parity > $(PARITY)/missing.txt
	@test ! -s $(PARITY)/missing.txt || $(PARITY)/bin/python -m pip install -q -r $(PARITY)/missing.txt
	PYTHONPATH=src $(PARITY)/bin/python -m pytest -q tests/parity

# Programs over libraries that say `import jax`, unchanged, on arrax. The libraries bring JAX along,
# which is taken out again, so that nothing can fall back on it.
ecosystem: libraries
	PYTHONPATH=src timeout 1200 $(ECOSYSTEM)/bin/python -m pytest -q tests/ecosystem

libraries: dev
	@test -e $(ECOSYSTEM)/bin/python || $(BIN)/python -m venv $(ECOSYSTEM)
	@$(ECOSYSTEM)/bin/python tools/dependencies.py --missing ecosystem > $(ECOSYSTEM)/missing.txt
	@test ! -s $(ECOSYSTEM)/missing.txt || { $(ECOSYSTEM)/bin/python -m pip install -q -r $(ECOSYSTEM)/missing.txt; \
	  $(ECOSYSTEM)/bin/python -m pip uninstall -q -y jax jaxlib; }

# The oldest versions of the dependencies that pyproject.toml allows, on the programs that people run.
lower-bounds: dev
	@test -e $(LOWEST)/bin/python || $(BIN)/python -m venv $(LOWEST)
	@$(BIN)/python tools/dependencies.py --lowest > $(LOWEST)/lowest.txt
	@$(LOWEST)/bin/python -m pip install -q -r $(LOWEST)/lowest.txt 'pytest>=8' 'hypothesis>=6.100' 'optree>=0.14'
	PYTHONPATH=src $(LOWEST)/bin/python -m pytest -q tests/test_import.py tests/native tests/programs

lint: dev
	$(BIN)/ruff check src tests tools
	$(BIN)/mypy src/arrax tests/typed_program.py
	$(BIN)/lint-imports

MINUTES := 2
SEED := 0
WORKERS := 2
WAYS := eager,passes,jit,check
PROGRAMS :=

# Fails if one program fails; the line of a fault has its seed. With ways that include jax it runs
# in the environment that has JAX.
fuzz: dev
	PYTHONPATH=src $(if $(findstring jax,$(WAYS)),$(PARITY),$(VENV))/bin/python -m tools.fuzz \
	  --minutes $(MINUTES) --seed $(SEED) --workers $(WORKERS) --ways $(WAYS) \
	  $(if $(PROGRAMS),--programs $(PROGRAMS))

# The engine's tests on checked programs, but for those that count emitted code or look at how object
# code is shared and kept, which that of checked programs is not.
check: dev
	ARRAX_CHECK=1 $(BIN)/python -m pytest -q -n 2 tests/engines/cpu \
	  --deselect tests/engines/cpu/test_emission.py --deselect tests/engines/cpu/test_machine.py \
	  --deselect tests/engines/cpu/test_object_cache.py

SANITIZED := build/sanitize
SANITIZED_TESTS := tests/native tests/engines/cpu/test_library.py

# The C++ runtime's tests with AddressSanitizer and UndefinedBehaviorSanitizer in it, in a copy of
# the package. Nothing is captured (-s), so that the report of a fault, which ends the process, is seen.
# Leaks are not looked for: CPython and NumPy keep memory until the process ends.
sanitize: dev
	@$(CMAKE) -S . -B $(SANITIZED) -DCMAKE_BUILD_TYPE=Debug -DARRAX_SANITIZE=ON -DPython_EXECUTABLE="$(CURDIR)/$(BIN)/python" > /dev/null
	@$(CMAKE) --build $(SANITIZED) --parallel 2
	@rm -rf $(SANITIZED)/site && mkdir -p $(SANITIZED)/site
	@cp -rs "$(CURDIR)/src/arrax" $(SANITIZED)/site/ && rm -f $(SANITIZED)/site/arrax/_native*.so
	@cp $(SANITIZED)/_native*.so $(SANITIZED)/site/arrax/
	PYTHONPATH=$(SANITIZED)/site ARRAX_CACHE=off PYTHONMALLOC=malloc \
	  LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
	  ASAN_OPTIONS=detect_leaks=0:halt_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	  $(BIN)/python -m pytest -q -x -s -p no:cacheprovider $(SANITIZED_TESTS)

bench: $(BIN)/python dev
	$(BIN)/python benchmarks/speed.py

# Works offline once the dependencies are there. An installed copy would hide the sources.
dev: $(BIN)/python
	@$(BIN)/python tools/dependencies.py --missing test build > $(VENV)/missing.txt
	@command -v cmake > /dev/null || echo 'cmake>=3.20' >> $(VENV)/missing.txt
	@test ! -s $(VENV)/missing.txt || $(BIN)/python -m pip install -q -r $(VENV)/missing.txt
	@test ! -d "$(SITE)/arrax" || $(BIN)/python -m pip uninstall -q -y arrax
	@echo "$(CURDIR)/src" > "$(PTH)"
	@$(MAKE) --no-print-directory native
	@$(BIN)/python -m compileall -q src/arrax  # so that the first import is as fast as the next

# The rename makes the exchange atomic: running processes keep the old module mapped.
native: $(BIN)/python
	@$(CMAKE) -S . -B build/native -DCMAKE_BUILD_TYPE=Release -DPython_EXECUTABLE="$(CURDIR)/$(BIN)/python" > $(VENV)/build.log || { cat $(VENV)/build.log; exit 1; }
	@$(CMAKE) --build build/native --parallel 2 > $(VENV)/build.log 2>&1 || { cat $(VENV)/build.log; exit 1; }
	@grep -E 'warning:' -A4 $(VENV)/build.log || true
	@rm -f $(VENV)/build.log
	@for module in build/native/_native*.so; do \
	  cmp -s $$module src/arrax/$$(basename $$module) || { \
	  cp $$module src/arrax/$$(basename $$module).tmp && \
	  mv -f src/arrax/$$(basename $$module).tmp src/arrax/$$(basename $$module); }; done

clean:
	rm -rf build dist src/arrax/_native*.so
