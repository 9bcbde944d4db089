"""The commands by name. The module of a command is imported when it is used, so that ``--help`` is fast."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = {
    "audit": ("audit", "Find copies, leaks, wrong labels and damaged images."),
    "check": ("inspect", "Check recipes: plugins, data, classes, steps, memory."),
    "compare": ("compare", "Compare finished runs in tables, a page and a figure."),
    "describe": ("inspect", "Describe components, their settings and the grammar of recipes."),
    "evaluate": ("results", "Evaluate a run's best weights on a labelled data set."),
    "explain": ("explain", "Draw where a run's best weights look, as heat maps."),
    "export": ("export", "Write a run's best weights for Codabench, ONNX or the Hub."),
    "fetch": ("fetch", "Download a data set, or list those that are available."),
    "list-plugins": ("plugins", "List the installed plugins, what each offers, what failed."),
    "new-plugin": ("new_plugin", "Write a plugin package to start from."),
    "predict": ("results", "Predict the class of images."),
    "recipes": ("recipes", "List or copy the recipes that come with cellcls."),
    "run": ("run", "Train, evaluate and explain a recipe."),
    "serve": ("serve", "Serve a model: a page for images, and a JSON API."),
    "show": ("inspect", "Print a recipe with every default filled in."),
}
"""The module of each command in ``cellcls.cli``, and its line in ``cellcls --help`` and in completions."""


class Commands(click.Group):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None if there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, summary = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"cellcls.cli.{module}"), cmd_name.replace("-", "_"))
        command.short_help = summary
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the summary of each command without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])
