"""Asks the service in this container whether it is well; exit status 0 when it is."""

import sys
import urllib.request


def main():
    try:
        with urllib.request.urlopen("http://127.0.0.1:8000/health", timeout=4) as answer:
            return 0 if answer.status == 200 else 1
    except OSError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
