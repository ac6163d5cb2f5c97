"""`python -m intellicall` is the `intellicall` command."""

from intellicall.cli.main import app

app()
