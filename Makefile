# The few commands a person types.  CMakePresets.json has the builds.
#
#   make            build/release: libkist.a, libkist.so, the kist command
#   make demo       the main job on real input (under three minutes)
#   make test       everything; ends with "N passed, N failed"
#   make bench      measures kist and its peers, writes bench/RESULTS.md
#   make soak       fuzzers and rigs with fresh seeds, SECONDS=3600
#   make coverage   branch coverage of src/, per file
#   make format     clang-format, and what docs/ takes from headers and tests
#   make install    PREFIX=/usr/local, DESTDIR=
#
# Each sets itself up: tools/setup.sh installs what a Debian machine lacks.

PREFIX ?= /usr/local
SECONDS ?= 3600
PYTHON ?= /usr/bin/python3

all:
	tools/setup.sh build
	cmake --preset release
	cmake --build --preset release

demo:
	tools/setup.sh build demo
	cmake --preset release -DKIST_DEMO=ON \
	    -DKIST_PYTHON=ON -DPython_EXECUTABLE=$(PYTHON)
	cmake --build --preset release
	$(PYTHON) demo/run

test:
	tools/setup.sh build test python
	tests/run

bench:
	tools/setup.sh build bench
	bench/run

soak:
	tools/setup.sh build test
	tests/run --soak $(SECONDS)

coverage:
	tools/setup.sh build test
	tests/run --preset cov unit
	tests/run --preset cov power
	tools/coverage.py build/cov

format:
	tools/setup.sh test
	tools/format.sh
	tools/specgen.py
	tests/style/test_promises.py --write

install:
	tools/setup.sh build
	cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	cmake --build --preset release
	cmake --install build/release

clean:
	rm -rf build
	if [ -f tests/rigs/Makefile ]; then $(MAKE) -C tests/rigs clean; fi

.PHONY: all demo test bench soak coverage format install clean
