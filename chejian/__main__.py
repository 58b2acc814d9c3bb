"""`python -m chejian` is the command `chejian`."""

from chejian.cli import main

if __name__ == "__main__":
    main()
