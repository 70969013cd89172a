"""What a person or a client sees. `register` holds every view and the menu in one place."""
from flask import Flask


def register(app, appbuilder):
    pass


def register_cli(app: Flask) -> None:
    from views.cli import register_commands

    register_commands(app)
