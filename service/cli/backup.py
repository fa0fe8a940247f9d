"""Verbs that put an installation into one file, and bring it back."""

from pathlib import Path
from typing import Annotated

import typer


def backup(
    file: Annotated[Path, typer.Argument(help="The tar file to write; it will hold the keys, too.")],
) -> None:
    """Save the database, the files, the keys and the embedded Label Studio, while all of them run."""
    from service import backup
    from service.settings import Settings

    made = backup.save(Settings.read(), file)
    size = file.stat().st_size / 2**20
    print(
        f"{file}: {made.rows['campaign']} campaigns, {made.rows['annotation']:,} annotations, {size:,.1f} MiB."
    )
    if not made.label_studio:
        print("Label Studio is not in it: it is somewhere else, and has to be saved there.")


def restore(file: Annotated[Path, typer.Argument(help="A file that `postil backup` wrote.")]) -> None:
    """Bring a backup back into a data folder that is empty. Nothing may run on it yet."""
    from service import backup
    from service.settings import Settings

    settings = Settings.read()
    made = backup.load(settings, file)
    print(
        f"{made.rows['campaign']} campaigns, {made.rows['annotation']:,} annotations are in {settings.data}."
    )
