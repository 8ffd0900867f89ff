# The verbs, the same on a laptop and in CI: .ci/run calls `lint`, `type` and `board` after the tests.
.PHONY: all fmt lint type test oldest newest lock board docs newcomer release-notes labels gpu bench faults fuzz

all: lint type test board

fmt:    ## rewrite the sources in the house's format
	ruff check --fix .
	ruff format .

lint:   ## style, import order, likely bugs; workflows
	ruff check .
	ruff format --check .
	zizmor --offline --no-progress --persona pedantic .github
	check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	check-jsonschema --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yml
	check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[bs]*.yml \
	  .github/ISSUE_TEMPLATE/challenge.yml
	check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

type:   ## types of the referee
	mypy

test:   ## everything that needs neither a GPU, the network nor minutes
	pytest

oldest: PYTHON = python3.11
newest: PYTHON = python3
oldest newest: ## the suite in a fresh environment, .venvs/oldest or .venvs/newest, with the versions of constraints/
	rm -rf .venvs/$@
	$(PYTHON) -m venv .venvs/$@
	.venvs/$@/bin/pip install -q -e '.[test]' -c constraints/$@.txt
	PATH="$(CURDIR)/.venvs/$@/bin:$$PATH" pytest

LOCK = uv pip compile -q --upgrade --all-extras --python-version 3.11 --no-annotate --custom-compile-command 'make lock'
lock:   ## constraints/ anew: every floor of pyproject.toml at once, on Python 3.11, and today's versions, on any Python
	mkdir -p .venvs
	grep -oE '"[a-z0-9-]+>=[0-9.]+' pyproject.toml | sed 's/"//; s/>=/==/' > .venvs/floors.txt
	$(LOCK) -c .venvs/floors.txt -o constraints/oldest.txt pyproject.toml
	$(LOCK) --universal -o constraints/newest.txt pyproject.toml

board:  ## the board must be what its records say; `lnbench leaderboard build` rewrites it
	lnbench leaderboard check
	lnbench reproduce --check --out leaderboard/thesis
	lnbench truth report --check --out leaderboard/truth
	lnbench matrix --check --out leaderboard/defences

docs:   ## the documentation as pages, in docs/_build/html or OUT; a warning is an error
	python -P -m sphinx -W --keep-going -q -b html docs $(or $(OUT),docs/_build/html)

newcomer: ## a fresh environment without network runs every block of README, docs and notebook; DOCUMENTS names some
	python -P tests/newcomer.py $(DOCUMENTS)

release-notes: ## what CHANGELOG.md says of VERSION, or of what is not released yet
	@.github/release-notes $(VERSION)

labels: ## where bubblewrap works: labels of every row of the tracks that need a GPU, into rows/; CONTRIBUTING.md
	lnbench rows labels

GPU_TESTS = tests/kernels/test_gpu.py tests/evaluation/test_gpu.py tests/house/test_cluster_docs.py
gpu:    ## where a CUDA device is: the tests that need one, then the victims of the rows whose labels are in rows/
	pytest -n 0 -m gpu $(GPU_TESTS)
	pytest -n 0 --benchmark-enable -s tests/bench/bench_gpu.py
	@if [ -d rows/store ]; then lnbench rows train; \
	else echo 'no rows are trained: there is no rows/store; `make labels` makes it where bubblewrap works'; fi

bench:  ## timings and agreement with the peers; tests/bench/README.md says what they need
	pytest -n 0 --benchmark-enable tests/bench/bench_kernels.py
	pytest -n 0 --benchmark-enable tests/bench/bench_adversary.py
	pytest -n 0 --benchmark-enable -s tests/bench/bench_victims.py
	pytest -n 0 --benchmark-enable tests/bench/bench_sandbox.py

faults: ## hurt evaluations of a tiny track in every way we know; an hour, best as root; tests/faults/README.md
	python -P tests/faults/campaign.py --jobs 2

fuzz:   ## every reader of outside bytes against two engines; up to three hours; tests/fuzz/README.md
	python -P tests/fuzz/campaign.py --jobs 2
