# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0

# make demo   replay a drive through the node, leaving out/demo/
# make test   everything that CI checks
# make check  its quick part: linters, types, and tests without DDS and weights
# make docs   the documents as a site in out/site/
# All install into .venv first. PYTHON=python3.12 chooses another interpreter.

PYTHON ?= python3
BIN := .venv/bin

export ROS_AUTOMATIC_DISCOVERY_RANGE := LOCALHOST
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# A sourced ROS installation would mix its own modules and libraries with those in .venv.
unexport AMENT_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH RMW_IMPLEMENTATION

# Optional recordings and weights beside the checkout.
DEPTHFORGE_SHARED ?= $(realpath ../shared)
DEPTHFORGE_WEIGHTS ?= $(realpath ../shared/weights)
ifneq ($(DEPTHFORGE_SHARED),)
export DEPTHFORGE_SHARED
endif
ifneq ($(DEPTHFORGE_WEIGHTS),)
export DEPTHFORGE_WEIGHTS
endif

.PHONY: demo test check lint format docs clean tensorrt-dry-run annotation-tools

demo: .venv/.demo
	$(BIN)/depthforge demo --output out/demo \
		$(if $(DEPTHFORGE_SHARED),--shared "$(DEPTHFORGE_SHARED)")

# In two processes, since many tests wait for other processes; a file's tests stay together.
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: lint
	$(BIN)/python -m pytest -n 2 test/bags test/datasets test/geometry test/metrics test/test_*.py

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo 'out/site/index.html; with a search: python3 -m http.server --directory out/site'

# The CUDA build of torch (===: no local version such as +cpu) and Torch-TensorRT's RTX flavour,
# whose libraries the package registry has: several GB, in an environment of their own.
TENSORRT := .venv-tensorrt

tensorrt-dry-run: $(TENSORRT)/.installed
	PYTHONPATH=. $(TENSORRT)/bin/python benchmarks/tensorrt_dry_run.py
	PYTHONPATH=. $(TENSORRT)/bin/python benchmarks/tensorrt_dry_run.py --precision bf16 --batches 1
	PYTHONPATH=. $(TENSORRT)/bin/python benchmarks/tensorrt_dry_run.py --precision fp8 --batches 1
	# Where modelopt and TensorRT are: modelopt and colcon need different setuptools, so `make
	# test` skips these.
	PYTHONPATH=.:test $(TENSORRT)/bin/python -m pytest --noconftest \
		test/engine/test_fp8.py test/engine/test_tensorrt.py

$(TENSORRT)/.installed:
	$(PYTHON) -m venv $(TENSORRT)
	$(TENSORRT)/bin/python -m pip install 'torch===2.13.0' dllist numpy opencv-python-headless \
		packaging psutil PyYAML safetensors tqdm nvidia-modelopt==0.47.0 huggingface_hub \
		pytest pytest-timeout requests
	$(TENSORRT)/bin/python -m pip install --no-deps torch-tensorrt-rtx==2.13.0 \
		tensorrt-rtx-cu13==1.5.0.114 tensorrt-rtx-cu13-libs==1.5.0.114 \
		tensorrt-rtx-cu13-bindings==1.5.0.114
	touch $@

# Whether CVAT's and Label Studio's libraries read what `mine` writes. A venv of its own: their
# OpenCV would lie over opencv-python-headless.
ANNOTATION := .venv-annotation

annotation-tools: $(ANNOTATION)/.installed
	$(ANNOTATION)/bin/python -m pytest --noconftest test/mining/test_annotation_tools.py

$(ANNOTATION)/.installed:
	$(PYTHON) -m venv $(ANNOTATION)
	$(ANNOTATION)/bin/python -m pip install -e . cvat-sdk==2.80.0 datumaro==1.13.12 \
		label-studio-sdk==2.1.2 hypothesis pytest pytest-timeout
	touch $@

clean:
	rm -rf .venv .venv-tensorrt .venv-annotation build install log out .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . \( -name __pycache__ -o -name '*.egg-info' \) -prune -exec rm -rf {} +

# A stamp is written only when its install is complete, so an interrupted one is done again.
.venv/.demo: .venv/.python setup.py
	$(BIN)/python -m pip install -e '.[ros]'
	touch $@

.venv/.test: .venv/.python setup.py trainer/pyproject.toml
	$(BIN)/python -m pip install -e '.[ros,test,docs]' -e './trainer[tensorboard]'
	# Without its dependencies: its opencv-python would lie over opencv-python-headless.
	$(BIN)/python -m pip install --no-deps imagecorruptions-imaug
	touch $@ .venv/.demo .venv/.docs

.venv/.docs: .venv/.python setup.py
	$(BIN)/python -m pip install -e '.[docs]'
	touch $@

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 15))' || { \
		echo 'error: $(PYTHON) is' "$$($(PYTHON) --version 2>&1);" \
		'Python 3.10 to 3.14 is needed; name one with PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo 'error: $(PYTHON) has no venv module; install it, on Ubuntu and Debian with' \
		"'apt install python3-venv'" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	touch $@
