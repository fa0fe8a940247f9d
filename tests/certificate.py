"""A certificate for the loopback interface, made for one test run."""

import subprocess
from pathlib import Path

from service.stack.ports import LOOPBACK


def certificate(folder: Path) -> tuple[Path, Path]:
    """(certificate, key), signed by itself."""
    made, key = folder / "certificate.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=postil"]
    names = ["-addext", f"subjectAltName=IP:{LOOPBACK}", "-keyout", str(key), "-out", str(made)]
    subprocess.run([*words, *names], check=True, capture_output=True)
    return made, key
