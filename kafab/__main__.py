"""`kafab`, and ``python -m kafab``: Ctrl-C has its word before anything large is imported."""

from kafab.interruption import at_once


def main() -> None:
    """Run the command line in ``sys.argv`` and exit."""
    at_once()
    from kafab import cli

    cli.main()


if __name__ == "__main__":
    main()
