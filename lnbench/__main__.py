"""`python -m lnbench`: the same as the `lnbench` command."""

from lnbench.cli import main

if __name__ == "__main__":
    main()
