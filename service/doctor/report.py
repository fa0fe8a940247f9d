"""What the doctor found, for people and for machines."""

import json
from dataclasses import asdict

from service.doctor import doctor

MARKS = {"ok": "ok     ", "warning": "warning", "wrong": "WRONG  "}


def report(as_json: bool = False) -> int:
    """Examine this process' installation and print what is found; the exit status: 1 where something is wrong."""
    found = []
    for check, finding in doctor.examine():
        found.append({"check": check, **asdict(finding)})
        if not as_json:
            remedy = f"\n         → {finding.remedy}" if finding.remedy else ""
            print(f"{MARKS[finding.state]}  {check}: {finding.what}{remedy}", flush=True)
    wrong, warnings = (sum(one["state"] == state for one in found) for state in ("wrong", "warning"))
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        print(f"\n{wrong} wrong, {warnings} to look at, {len(found) - wrong - warnings} well")
    return int(wrong > 0)
