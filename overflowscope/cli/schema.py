"""overflowscope schema: the JSON Schema of a document."""

from __future__ import annotations

import click

from overflowscope.cli._options import common


@click.command("schema")
@click.argument("document", default="compare")
@common
def command(document: str, debug: bool) -> None:
    """Print the JSON Schema of what `overflowscope DOCUMENT --json` prints."""
    import json

    from overflowscope.errors import unknown
    from overflowscope.schema import SCHEMAS

    if document not in SCHEMAS:
        raise unknown("document", document, SCHEMAS)
    click.echo(json.dumps(SCHEMAS[document](), indent=2))
