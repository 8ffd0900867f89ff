# The verbs, the same on a laptop and in CI. `make` alone checks what CI checks.
.PHONY: all fmt lint type test board gpu bench

all: lint type test board

fmt:    ## rewrite the sources in the house's format
	ruff check --fix .
	ruff format .

lint:   ## style, import order, likely bugs; workflows
	ruff check .
	ruff format --check .
	zizmor --offline --no-progress --persona pedantic .github
	check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

type:   ## types of the referee
	mypy

test:   ## everything that needs neither a GPU, the network nor minutes
	pytest

board:  ## the board must be what its records say; `lnbench leaderboard build` rewrites it
	lnbench leaderboard check
	lnbench reproduce --check --out leaderboard/thesis

gpu:    ## the tests that need a CUDA device
	pytest -m gpu

bench:  ## timings and agreement with the peers; tests/bench/README.md says what they need
	pytest --benchmark-enable tests/bench/bench_kernels.py
	pytest --benchmark-enable tests/bench/bench_adversary.py
