"""`python -m bench`."""

from blockfront.cli import main

if __name__ == "__main__":
    main()
