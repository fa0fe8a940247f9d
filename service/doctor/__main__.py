"""`python -m service.doctor`: the doctor where packages are missing that the command line cannot start without."""

import sys

from service.doctor.report import report

if __name__ == "__main__":
    sys.exit(report("--json" in sys.argv[1:]))
