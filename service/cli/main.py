"""The command line `postil`.

Verbs import what they need when they run: `postil --help` loads neither HTTP nor numbers.
"""

import sys

import typer

from service.cli import (
    adopt,
    audit,
    backup,
    campaign,
    cost,
    demo,
    doctor,
    export,
    influence,
    labels,
    people,
    plugins,
    pool,
    predict,
    report,
    stack,
    synthesize,
    token,
    watch,
)
from service.errors import PostilError

app = typer.Typer(
    name="postil",
    help="Active-learning labeling: the examples whose labels teach a model most, best first, in Label Studio.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: drawing it with rich takes longer than all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up")(stack.up)
app.command("demo")(demo.demo)
campaign.app.command("adopt")(adopt.adopt)
campaign.app.command("release")(adopt.release)
app.add_typer(campaign.app, name="campaign")
app.add_typer(pool.app, name="pool")
pool.labels_app.command("change")(labels.change)
pool.labels_app.command("changes")(labels.changes)
app.add_typer(pool.labels_app, name="labels")
app.command("watch")(watch.watch)
app.command("curve")(watch.curve)
app.command("cost")(cost.cost)
app.command("audit")(audit.audit)
app.command("influence")(influence.influence)
app.command("predict")(predict.predict)
app.command("synthesize")(synthesize.synthesize)
app.command("annotators")(people.annotators)
app.command("disagreements")(people.disagreements)
app.command("report")(report.report)
app.command("export")(export.export)
app.command("adapter")(export.adapter)
app.add_typer(token.app, name="token")
app.command("serve")(stack.serve)
app.command("doctor")(doctor.doctor)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)


def main() -> None:
    """Run a verb. What Postil refuses on purpose is one line on standard error, and exit status 1."""
    plugins.join(app)
    try:
        app(prog_name="postil")
    except PostilError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
